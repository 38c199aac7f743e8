"""Output: what the demo prints, on a terminal and without one."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from textwrap import wrap

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from keyrelay.demo.checks import Check

_wrap = partial(wrap, break_long_words=False, break_on_hyphens=False)
_END = """\
What you saw:
    A hundred triggers came in; each became a mail, a message or a dead letter.
    A worker was killed with SIGKILL; another one finished its work.
    Without a policy an action got no secret; with one, a script gets it.
    The password and the key went in once and came out nowhere.

Where to go next:
    README.md           set up your own, in five commands
    keyrelay --help     every command, with examples
    docs/why.md         why it is so"""


@dataclass(slots=True)
class Output:
    """Prints; `failed` are the names of the checks that did not hold."""

    console: Console
    failed: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def section(self, title: str) -> None:
        self.console.print()
        self.console.print(Rule(f"[bold cyan]{title}", align="left", style="cyan"))

    def say(self, words: str) -> None:
        self._print(f"\n{words}")

    def command(self, line: str) -> None:
        typed = " \\\n      ".join(_wrap(line, self.console.width - 6))
        text = Text.assemble(("  $ ", "bold green"), (typed, "bold"))
        self.console.print(text, soft_wrap=True)

    def lines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._print(f"    {line}", rest="    ")

    def check(self, check: Check) -> None:
        if not check.holds:
            self.failed.append(check.name)
        mark, colour = ("✓", "green") if check.holds else ("✗", "red")
        self._print(f"  {mark} {check.name}", colour, rest="    ")

    def conclude(self) -> None:
        """Sum up, or name what did not hold."""
        self.section(f"That was it: {time.monotonic() - self.started:.0f} seconds")
        self.say("Not every check held:" if self.failed else _END)
        self.lines(self.failed)

    def _print(self, text: str, style: str = "", rest: str = "") -> None:
        for line in text.split("\n"):
            parts = _wrap(line, self.console.width, subsequent_indent=rest)
            self.console.print(Text("\n".join(parts), style), soft_wrap=True)
