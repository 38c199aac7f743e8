"""Stage: how the story is told, on a terminal and without one."""

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

_WIDEST = 100
_STEP = 20  # arrivals between two lines where there is no terminal


@dataclass(frozen=True, slots=True)
class Count:
    """How many of something have arrived, for how many triggers."""

    what: str
    now: int
    triggers: int


Show = Callable[[Sequence[Count]], None]


@dataclass(slots=True)
class Stage:
    """Remembers which checks held, for the end of the story."""

    console: Console
    scenes: int = 0
    checks: dict[str, bool] = field(default_factory=dict)

    @property
    def width(self) -> int:
        return min(self.console.width, _WIDEST)

    @property
    def failed(self) -> list[str]:
        return [name for name, held in self.checks.items() if not held]

    def title(self, name: str, line: str) -> None:
        self.console.print()
        self._print(Text(name, style="bold"))
        self._print(Text(line, style="italic"))

    def scene(self, title: str) -> None:
        self.scenes += 1
        name = Text(f"{self.scenes} · {title}", style="bold cyan")
        self.console.print()
        self.console.print(Rule(name, align="left", style="cyan"), width=self.width)

    def say(self, words: str) -> None:
        self.console.print()
        self._print(Text(words))

    def command(self, words: Sequence[str], note: str = "") -> None:
        """Show a command as the reader would type it."""
        lines = self._wrapped(Text(shlex.join(words), style="bold"), 6)
        for line in lines[:-1]:
            line.append(" \\")
        if note:
            lines[-1].append(f"  # {note}", style="not bold dim")
        for mark, line in zip(["$ "] + ["    "] * len(lines), lines, strict=False):
            self.console.print(Text("  ").append(mark, style="bold green") + line)

    def output(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._print(Text(line), by=4)

    def rows(self, rows: Mapping[str, str], total: tuple[str, str]) -> None:
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        table.add_column()
        table.add_column(justify="right")
        for name, value in rows.items():
            table.add_row(name, value)
        table.add_row(*total, style="bold")
        self.console.print(Padding(table, (0, 0, 0, 4), expand=False))

    def check(self, name: str, *, holds: bool) -> None:
        self.checks[name] = holds
        mark, colour = ("✓", "green") if holds else ("✗", "red")
        self._print(Text(f"{mark} {name}", style=colour), by=2)

    @contextmanager
    def counter(self) -> Iterator[Show]:
        """Hand out what shows how far it has come: bars, or now and then a line."""
        if self.console.is_terminal:
            with Live(console=self.console, refresh_per_second=10) as live:
                yield lambda counts: live.update(_bars(counts))
        else:
            lines = _Lines(self)
            yield lines.show
            lines.finish()

    def _print(self, text: Text, by: int = 0) -> None:
        for line in self._wrapped(text, by):
            self.console.print(Text(" " * by) + line if line else "")

    def _wrapped(self, text: Text, by: int) -> list[Text]:
        lines = text.wrap(self.console, self.width - by) or [Text()]
        for line in lines:
            line.rstrip()
        return list(lines)


@dataclass(slots=True)
class _Lines:
    """Where there is no terminal: a line for every so many, and one at the end."""

    stage: Stage
    next: int = 0
    last: Sequence[Count] = ()
    said: Sequence[Count] = ()

    def show(self, counts: Sequence[Count]) -> None:
        self.last = counts
        if (total := sum(count.now for count in counts)) >= self.next:
            self.next = total - total % _STEP + _STEP
            self._say()

    def finish(self) -> None:
        if self.said != self.last:
            self._say()

    def _say(self) -> None:
        self.said = self.last
        words = (f"{count.now} {count.what}" for count in self.last)
        self.stage.output([", ".join(words)])


def _bars(counts: Sequence[Count]) -> Padding:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for count in counts:
        bar = ProgressBar(total=count.triggers, completed=count.now, width=40)
        table.add_row(count.what, bar, f"{count.now} for {count.triggers} triggers")
    return Padding(table, (0, 0, 0, 4))
