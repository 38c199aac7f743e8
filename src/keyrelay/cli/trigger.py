"""`keyrelay trigger`: ask for actions, and see what became of it."""

from typing import Annotated

import typer

from keyrelay.cli import trigger_options as given
from keyrelay.cli.audit_view import record_document
from keyrelay.cli.dead_letter_view import letter_document
from keyrelay.cli.options import AsJson
from keyrelay.cli.output import Document, date, put_document, show, show_table
from keyrelay.cli.publishing import publish_file, publish_one
from keyrelay.cli.refusals import Refused, WrongUsage
from keyrelay.cli.session import Session, perform
from keyrelay.cli.trigger_options import PlaceOptions, PointOptions, TriggerOptions
from keyrelay.model.backlog import QueueStatus
from keyrelay.model.dead_letter import DeadLetter
from keyrelay.model.trigger import Trigger
from keyrelay.services.trigger_status import Tracking, TriggerStatus
from keyrelay.stores.refusals import NotFound

app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Ask for actions to be performed."
)

_ATTEMPT_COLUMNS = ("at", "id", "attempt", "outcome", "settlement", "reason")


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


@app.command("show", epilog="Example: keyrelay trigger show door-17-0001")
def show_(
    ctx: typer.Context,
    *,
    trigger: Annotated[str, typer.Argument(metavar="ID", help="The trigger's id.")],
    as_json: AsJson = False,
) -> None:
    """Show where a trigger stands, its attempts, and its dead letter if it has one."""
    status = perform(ctx, lambda session: _status(session, trigger))
    _show(status, as_json=as_json)


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


def _show(status: TriggerStatus, *, as_json: bool) -> None:
    fields = {"id": status.trigger, **_state(status.queue), **_asked_for(status)}
    attempts = [record_document(entry) for entry in status.attempts]
    letter = None if status.letter is None else letter_document(status.letter)
    if as_json:
        put_document({**fields, "dead_letter": letter, "attempt_records": attempts})
        return
    show(fields if letter is None else {**fields, "buried_because": letter["reason"]})
    show_table(attempts, _ATTEMPT_COLUMNS)


def _asked_for(status: TriggerStatus) -> Document:
    """Return what the trigger asks for, where it is still kept."""
    match status:
        case TriggerStatus(letter=DeadLetter(trigger=trigger)):
            pass
        case TriggerStatus(queue=QueueStatus(trigger=Trigger() as trigger)):
            pass
        case _:  # settled: its attempts name the action
            named = [entry.document.get("action") for entry in status.attempts[-1:]]
            return {"action": named[0]} if named else {}
    return {
        "action": trigger.action,
        "key": trigger.key,
        "raised_at": date(trigger.lifetime.raised_at),
        "deadline": date(trigger.lifetime.deadline),
        "data": trigger.document()["data"],
    }


def _state(status: QueueStatus | None) -> Document:
    if status is None:
        return {"state": "forgotten"}
    return {
        "state": status.state,
        "attempts": status.attempts,
        "accepted_at": date(status.accepted_at),
        "due": date(status.due),
        "settled_at": date(status.settled_at),
    }
