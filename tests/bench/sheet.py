"""Sheet: measures that belong together, for people to read and for programs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from rich.table import Table

from tests.bench.measure import Measure

_MILLISECOND = timedelta(milliseconds=1)
_MEBIBYTE = 1024 * 1024

Figure = Callable[[Measure], float | None]

_FIGURES: Mapping[str, tuple[str, Figure]] = {
    "count": ("{:,.0f}", lambda one: one.count),
    "per second": ("{:,.0f}", lambda one: one.per_second),
    "CPU each, ms": ("{:.3f}", lambda one: one.cpu_each / _MILLISECOND),
    "p50, ms": (
        "{:.1f}",
        lambda one: one.waits.median / _MILLISECOND if one.waits else None,
    ),
    "p99, ms": (
        "{:.1f}",
        lambda one: one.waits.most / _MILLISECOND if one.waits else None,
    ),
    "peak, MiB": ("{:.0f}", lambda one: one.peak and one.peak / _MEBIBYTE),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """`against` names the measure that the others are compared with."""

    title: str
    measures: Sequence[Measure]
    against: str | None = None
    notes: Sequence[str] = ()

    def table(self) -> Table:
        """Show what was measured of any of them, and how they compare."""
        yardstick = self._yardstick()
        shown = Table(title=self.title, title_justify="left", title_style="bold")
        shown.add_column("what", no_wrap=True)
        named = (yardstick and [f"ratios: beside {yardstick.name}"]) or []
        shown.caption = "\n".join([*named, *self.notes]) or None
        shown.caption_justify = "left"
        measured = self._measured()
        for head in [*measured, *(["rate ratio", "CPU ratio"] if yardstick else [])]:
            shown.add_column(head, justify="right")
        for one in self.measures:
            figures = [_printed(head, one) for head in measured]
            shown.add_row(one.name, *figures, *_ratios(one, yardstick))
        return shown

    def document(self) -> Mapping[str, object]:
        return {
            "title": self.title,
            "against": self.against,
            "rows": [
                {"what": one.name}
                | {head: figure(one) for head, (_, figure) in _FIGURES.items()}
                for one in self.measures
            ],
        }

    def _yardstick(self) -> Measure | None:
        return next((one for one in self.measures if one.name == self.against), None)

    def _measured(self) -> list[str]:
        return [
            head
            for head, (_, figure) in _FIGURES.items()
            if any(figure(one) is not None for one in self.measures)
        ]


def _printed(head: str, measure: Measure) -> str:
    form, figure = _FIGURES[head]
    value = figure(measure)
    return "" if value is None else form.format(value)


def _ratios(measure: Measure, yardstick: Measure | None) -> list[str]:
    if yardstick is None:
        return []
    return [
        f"{measure.per_second / yardstick.per_second:.2f}",
        f"{measure.cpu_each / yardstick.cpu_each:.2f}",
    ]
