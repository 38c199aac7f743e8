"""Table: measures as people read them, those that belong together in one."""

from collections.abc import Sequence
from datetime import timedelta

from rich.table import Table

from tests.bench.measure import Measure


def table(title: str, measures: Sequence[Measure], *, against: str | None) -> Table:
    """Show measures, beside the one named `against`."""
    yardstick = next((one for one in measures if one.name == against), None)
    shown = Table(title=title, title_justify="left", title_style="bold")
    shown.add_column("what", no_wrap=True)
    heads = ["count", "per second", "CPU each, ms"]
    if yardstick is not None:
        heads += ["rate ratio", "CPU ratio"]
        shown.caption = f"ratios: beside {yardstick.name}"
    for head in heads:
        shown.add_column(head, justify="right")
    for measure in measures:
        shown.add_row(measure.name, *_figures(measure), *_ratios(measure, yardstick))
    return shown


def _figures(measure: Measure) -> list[str]:
    return [
        f"{measure.count:,}",
        f"{measure.per_second:,.0f}",
        f"{measure.cpu_each / timedelta(milliseconds=1):.3f}",
    ]


def _ratios(measure: Measure, yardstick: Measure | None) -> list[str]:
    if yardstick is None:
        return []
    return [
        f"{measure.per_second / yardstick.per_second:.2f}",
        f"{measure.cpu_each / yardstick.cpu_each:.2f}",
    ]
