"""`keyrelay trigger`: ask for actions, and see what became of it."""

from typing import Annotated

import typer

from keyrelay.cli import trigger_acts
from keyrelay.cli import trigger_options as given
from keyrelay.cli.options import ActionFilter, AsJson, Limit
from keyrelay.cli.pagination import list_all
from keyrelay.cli.publishing import publish_file, publish_one
from keyrelay.cli.refusals import Refused, WrongUsage
from keyrelay.cli.session import Session, perform
from keyrelay.cli.trigger_options import PlaceOptions, PointOptions, TriggerOptions
from keyrelay.cli.trigger_view import (
    COLUMNS,
    QueueFilter,
    ReasonFilter,
    SecretFilter,
    State,
    show_status,
)
from keyrelay.services.trigger_status import Tracking, TriggerStatus
from keyrelay.stores.refusals import NotFound

app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Ask for actions to be performed."
)
app.add_typer(trigger_acts.app)


@app.command(
    epilog="""\b
Examples:
  keyrelay trigger publish --action 'too warm' --variable temperature --value 9.5
  keyrelay trigger publish --file triggers.jsonl
  tail -f triggers.jsonl | keyrelay trigger publish --file -

\b
A line of such a file, of which only the action is needed, by its id:
  {"id": "door-17-0001", "action": "6745d3…", "data": [{"value": 9.5}]}

An id is printed once its trigger would survive a power cut. Lines that are no
triggers are named on standard error, the others are accepted, and the exit code
is 1.

A run that was interrupted is repeated as it is where each line has an id: what was
accepted is known, and is not performed again. Where lines have none, --json prints the
number of each line that was accepted: go on behind the last, as with tail -n +LINE."""
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
    file: given.LinesFile = None,
    as_json: AsJson = False,
) -> None:
    """Put triggers into the queue, and print the id of each that is safe there."""
    place = PlaceOptions(
        device=device, device_name=device_name, time=time, location=location
    )
    points = PointOptions(
        variable=variable, value=value, unit=unit, place=place, data=data
    )
    options = TriggerOptions(action=action, id=id_, key=trigger_key, deadline=deadline)
    if file is None:
        publish_one(ctx, options, points, as_json=as_json)
    elif options.is_empty and points.is_empty:
        publish_file(ctx, file, as_json=as_json)
    else:
        raise WrongUsage("--file holds whole triggers: give it without the others")


@app.command(
    "list",
    epilog="""\b
Examples:
  keyrelay trigger list
  keyrelay trigger list --state held --json
  keyrelay trigger list --secret mail --reason paused

Oldest first: what waits, is tried again, is held or is being attempted (leased).""",
)
def list_(
    ctx: typer.Context,
    *,
    state: State = None,
    action: ActionFilter = None,
    secret: SecretFilter = None,
    reason: ReasonFilter = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """List the triggers of the profile that are not settled."""
    wanted = QueueFilter(state=state, action=action, secret=secret, reason=reason)
    list_all(ctx, wanted.rows, COLUMNS, limit, as_json=as_json)


@app.command("show", epilog="Example: keyrelay trigger show door-17-0001")
def show_(
    ctx: typer.Context,
    *,
    trigger: Annotated[str, typer.Argument(metavar="ID", help="The trigger's id.")],
    as_json: AsJson = False,
) -> None:
    """Show where a trigger stands, its attempts, and its dead letter if it has one."""

    async def work(session: Session) -> None:
        status = await _status(session, trigger)
        await show_status(session, status, as_json=as_json)

    perform(ctx, work)


async def _status(session: Session, trigger: str) -> TriggerStatus:
    store = session.store
    async with session.queue() as queue:
        tracking = Tracking(queue=queue, trail=store.trail, letters=store.dead_letters)
        try:
            return await tracking.status(session.profile.id, trigger)
        except NotFound:
            if not session.settings.is_log:
                raise
    raise Refused(
        f"no worker has taken a trigger {trigger} from Kafka: either it waits there,"
        " or it was never published"
    )
