"""`keyrelay trigger`: ask for actions, and see what became of it."""

from typing import Annotated

import typer

from keyrelay.cli import publish_options as given
from keyrelay.cli.options import AsJson
from keyrelay.cli.output import put_document, show, show_table
from keyrelay.cli.points import Place, PointOptions, TriggerHead
from keyrelay.cli.publishing import publish_file, publish_one
from keyrelay.cli.refusals import WrongUsage
from keyrelay.cli.session import perform
from keyrelay.cli.standing import COLUMNS, standing

app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Ask for actions to be performed."
)


@app.command(
    epilog="""\b
Examples:
  keyrelay trigger publish --action 'too warm' --variable temperature --value 9.5
  keyrelay trigger publish --file triggers.jsonl
  tail -f triggers.jsonl | keyrelay trigger publish --file -

\b
A line of such a file, of which only the action is needed:
  {"id": "door-17-0001", "action": "6745d2…", "key": "door-17",
   "data": [{"variable": "temperature", "value": 9.5}]}

An id is printed once its trigger would survive a power cut. Lines that are no
triggers are named on standard error, the others are accepted, and the exit code
is 1."""
)
def publish(
    ctx: typer.Context,
    *,
    action: given.Action = None,
    variable: given.Variable = None,
    value: given.Value = None,
    unit: given.Unit = None,
    device: given.Device = None,
    device_name: given.DeviceName = None,
    time: given.Time = None,
    location: given.Location = None,
    data: given.Data = None,
    trigger_key: given.TriggerKey = None,
    id_: given.Id = None,
    deadline: given.Deadline = None,
    file: given.Lines = None,
    as_json: AsJson = False,
) -> None:
    """Put triggers into the queue, and print the id of each that is safe there."""
    place = Place(device=device, device_name=device_name, time=time, location=location)
    reading = PointOptions(
        variable=variable, value=value, unit=unit, place=place, data=data
    )
    head = TriggerHead(action=action, id=id_, key=trigger_key, deadline=deadline)
    if file is None:
        publish_one(ctx, head, reading, as_json=as_json)
    elif head.is_empty and reading.is_empty:
        publish_file(ctx, file, as_json=as_json)
    else:
        raise WrongUsage("--file holds whole triggers: give it without the others")


@app.command("show", epilog="Example: keyrelay trigger show door-17-0001")
def show_(
    ctx: typer.Context,
    *,
    trigger: Annotated[str, typer.Argument(metavar="ID", help="The trigger's id.")],
    as_json: AsJson = False,
) -> None:
    """Show where a trigger stands, its attempts, and its dead letter if it has one."""
    found = perform(ctx, lambda session: standing(session, trigger))
    if as_json:
        put_document(found.document)
    else:
        show(found.in_short)
        show_table(found.attempts, COLUMNS)
