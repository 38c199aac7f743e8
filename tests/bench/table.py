"""Table: measures as people read them, those that belong together in one."""

from collections.abc import Sequence
from datetime import timedelta

from rich.table import Table

from tests.bench.measure import Measure


def table(title: str, measures: Sequence[Measure], *, against: str | None) -> Table:
    """Show measures; ratios are to the one named `against`, higher is better."""
    shown = Table(title=title, title_justify="left", title_style="bold")
    shown.add_column("what")
    for head in ("count", "per second", "CPU each"):
        shown.add_column(head, justify="right")
    if against is not None:
        shown.add_column("times as fast", justify="right")
        shown.add_column("times less CPU", justify="right")
    yardstick = next((one for one in measures if one.name == against), None)
    for measure in measures:
        row = [measure.name, f"{measure.count:,}", f"{measure.per_second:,.0f}"]
        row.append(f"{measure.cpu_each / timedelta(milliseconds=1):.3f} ms")
        shown.add_row(*row, *_ratios(measure, yardstick))
    return shown


def _ratios(measure: Measure, yardstick: Measure | None) -> list[str]:
    if yardstick is None:
        return []
    return [
        f"{measure.per_second / yardstick.per_second:.2f}",
        f"{yardstick.cpu_each / measure.cpu_each:.2f}",
    ]
