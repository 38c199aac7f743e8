"""Publish options: what can be said of a trigger on the command line."""

from typing import Annotated

import typer

Action = Annotated[
    str | None, typer.Option("--action", help="What to do: an action, by id or name.")
]
Variable = Annotated[str | None, typer.Option(help="What was measured.")]
Value = Annotated[str | None, typer.Option(help="A number, true, false or text.")]
Unit = Annotated[str | None, typer.Option(help="The value's unit.")]
Device = Annotated[str | None, typer.Option(help="The id of what measured it.")]
DeviceName = Annotated[str | None, typer.Option(help="And its name.")]
Time = Annotated[str | None, typer.Option(help="When, like 2030-01-31T12:00:00Z.")]
Location = Annotated[str | None, typer.Option(help="Where.", metavar="LAT,LNG")]
Data = Annotated[
    str | None, typer.Option(help="All data points instead, as JSON.", metavar="JSON")
]
TriggerKey = Annotated[
    str | None, typer.Option(help="Triggers of one key can be kept in order.")
]
Id = Annotated[
    str | None, typer.Option("--id", help="An id of your own; accepted once.")
]
Deadline = Annotated[
    str | None, typer.Option(help="No attempt after: 2h, or 2030-01-31T12:00:00Z.")
]
Lines = Annotated[
    str | None,
    typer.Option("--file", help="A trigger a line; - for stdin.", metavar="F"),
]
