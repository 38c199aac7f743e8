"""Script services: what scripts ask to be sent at once, as TagoIO's clients ask it."""

from collections.abc import Mapping
from functools import partial
from math import ceil

from starlette.types import ASGIApp

from keyrelay.api.described import TEXT, described
from keyrelay.api.failures import failed
from keyrelay.api.rights import Right
from keyrelay.api.route import Answer, Asked, Route
from keyrelay.dispatchers.smtp.action import NAME as MAIL
from keyrelay.dispatchers.smtp.service import FIELDS as MAIL_FIELDS
from keyrelay.dispatchers.sqs.instruction import NAME as QUEUE
from keyrelay.dispatchers.sqs.service import FIELDS as QUEUE_FIELDS
from keyrelay.model.fields import schema_of
from keyrelay.model.outcome import Blame, Deferred, Delivered, Outcome, Rejected
from keyrelay.services.script_services import ServiceCaller, told


async def send(channel: str, asked: Asked) -> Answer | ASGIApp:
    """Answer once the peer has: in a client, 4xx is what its text is read of."""
    caller = asked.caller
    analysis = caller.token.rights.analysis
    assert analysis is not None  # of those that have the right
    outcome = await asked.process.intake.script_services.send(
        ServiceCaller(profile=caller.profile, analysis=analysis, actor=caller.actor),
        channel,
        await asked.body.document(),
    )
    if isinstance(outcome, Delivered):
        return Answer(result=told(outcome))
    status = _status(outcome)
    return failed(status, told(outcome), _headers(outcome) if status == 429 else {})


def _status(outcome: Outcome) -> int:
    match outcome:
        case Rejected() | Deferred(blame=Blame.CREDENTIAL):
            return 400
        case Deferred(blame=Blame.RATE) | Deferred(spends_attempt=False):
            return 429
        case _:
            return 409


def _headers(outcome: Outcome) -> Mapping[str, str]:
    wait = outcome.not_before if isinstance(outcome, Deferred) else None
    seconds = 1 if wait is None else max(1, ceil(wait.total_seconds()))
    return {"Retry-After": str(seconds)}


ROUTES = (
    Route(
        method="POST",
        path=f"/analysis/services/{MAIL}/send",
        right=Right.SERVICES,
        answer=partial(send, MAIL),
        described=described(
            "Send a mail at once, with a credential that the script was given",
            TEXT,
            body=schema_of(MAIL_FIELDS),
        ),
    ),
    Route(
        method="POST",
        path=f"/analysis/services/{QUEUE}/send",
        right=Right.SERVICES,
        answer=partial(send, QUEUE),
        described=described(
            "Send queue messages at once, with a credential that the script was given",
            TEXT,
            body=schema_of(QUEUE_FIELDS),
        ),
    ),
)
