"""Options: those that mean the same in every command that has them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
File = Annotated[
    str | None,
    typer.Option("--file", help="JSON document, or - for standard input.", metavar="F"),
]
Limit = Annotated[
    int | None,
    typer.Option(min=1, help="How many at most; 100 in a table, all in JSON."),
]
NameFilter = Annotated[
    str | None, typer.Option("--name", help="Only these; * stands for any text.")
]
TagFilter = Annotated[
    list[str] | None,
    typer.Option("--tag", help="Only with this tag, KEY=VALUE.", metavar="K=V"),
]
Since = Annotated[
    str | None,
    typer.Option(
        help="Only since then: 2030-01-31T12:00:00Z, or 90s, 15m, 2h, 7d ago."
    ),
]
TriggerIds = Annotated[
    list[str] | None, typer.Argument(metavar="[ID]...", help="Ids of triggers.")
]
All = Annotated[bool, typer.Option("--all", help="All that match the filters.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
ActionFilter = Annotated[
    str | None, typer.Option("--action", help="Only of this action, by id or name.")
]

AnalysisFilter = Annotated[
    str | None,
    typer.Option("--analysis", help="Only of runs of this analysis, by id or name."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalOptions:
    """Options that stand before the command; None, not given."""

    config: Path | None
    home: Path | None
    profile: str | None

    @property
    def settings(self) -> Mapping[str, object]:
        """Return those that override settings."""
        options = {"home": self.home, "profile": self.profile}
        return {name: value for name, value in options.items() if value is not None}
