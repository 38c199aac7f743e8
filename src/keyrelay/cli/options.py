"""Options: those that mean the same wherever they stand."""

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
ActionFilter = Annotated[
    str | None, typer.Option("--action", help="Only of this action, by id or name.")
]
