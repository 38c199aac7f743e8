"""Dead letters: listed and shown; redriven or dropped, one at once, many by a job."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from keyrelay.api.described import (
    TEXT,
    Part,
    described,
    going_on,
    object_of,
    path_id,
)
from keyrelay.api.parameters import PAGING, parse_parameters
from keyrelay.api.rights import Right
from keyrelay.api.route import Answer, Asked, Route
from keyrelay.app.jobs import jobs_of
from keyrelay.model.cursor import parse_cursor
from keyrelay.model.documents import InvalidDefinition, refuse_unknown
from keyrelay.model.instant import parse_instant
from keyrelay.model.job import JobKind
from keyrelay.model.outcome import Fault
from keyrelay.services.dead_letter_documents import (
    letter_document,
    whole_letter_document,
)
from keyrelay.services.jobs import LetterWork, job_document
from keyrelay.services.redriving import (
    DeadLetterAdministration,
    LetterResult,
    Redriving,
)
from keyrelay.stores.dead_letter_query import DeadLetterQuery

_FILTERS = {
    "action": "Only those of this action, by id.",
    "fault": f"Whose fault it was: one of {', '.join(Fault)}.",
    "since": "Only those that were buried then or later (RFC 3339).",
}
_OBJECT: Part = {"type": "object"}
_ID = path_id("The trigger's id.")


async def list_letters(asked: Asked) -> Answer:
    given = parse_parameters(asked.query, (*_FILTERS, *PAGING))
    fault, after = given.choice("fault", [*Fault]), given.text("after")
    query = DeadLetterQuery(
        action=given.text("action"),
        fault=None if fault is None else Fault(fault),
        since=given.instant("since"),
        after=None if after is None else parse_cursor(after),
        amount=given.amount,
    )
    letters = asked.process.store.dead_letters
    found, place = await letters.page(asked.caller.profile, query)
    shown = [*map(letter_document, found)]
    goes_on = None if place is None else str(place)
    return Answer(result={"dead_letters": shown, "next": goes_on})


async def show_letter(asked: Asked) -> Answer:
    letters, id_ = asked.process.store.dead_letters, asked.ids["id"]
    letter = await letters.get(asked.caller.profile, id_)
    return Answer(result=whole_letter_document(letter))


async def redrive_letter(asked: Asked) -> Answer:
    process, caller, ids = asked.process, asked.caller, [asked.ids["id"]]
    redriving = Redriving(queue=process.queue, letters=process.store.dead_letters)
    results = redriving.redrive(caller.profile, ids, caller.actor)
    return await _only(results, "Successfully Redriven")


async def drop_letter(asked: Asked) -> Answer:
    store, caller, ids = asked.process.store, asked.caller, [asked.ids["id"]]
    administration = DeadLetterAdministration(letters=store.dead_letters)
    results = administration.drop(caller.profile, ids, caller.actor)
    return await _only(results, "Successfully Removed")


async def _only(results: AsyncIterator[LetterResult], done: str) -> Answer:
    """Answer what became of the one letter, or raise why nothing did."""
    async for result in results:
        if result.fault is not None:
            raise result.fault
    return Answer(result=done)


def _starting(kind: JobKind) -> Callable[[Asked], Awaitable[Answer]]:
    async def answer(asked: Asked) -> Answer:
        """Start a job over the letters that the body's filter matches."""
        work, caller = _work(await asked.body.document()), asked.caller
        jobs = jobs_of(asked.process.store)
        job = await jobs.start(kind, caller.profile, caller.actor, work)
        return Answer(result=job_document(job), status=202)

    return answer


def _work(document: Mapping[str, object]) -> LetterWork:
    """Read `{action?, fault?, since?, rate?}`, or raise InvalidDefinition."""
    refuse_unknown(document, {*_FILTERS, "rate"}, "a choice of dead letters")
    rate, fault, action = (document.get(name) for name in ("rate", "fault", "action"))
    if fault is not None and fault not in [*Fault]:
        raise InvalidDefinition(f"fault must be one of {', '.join(Fault)}")
    if action is not None and not isinstance(action, str):
        raise InvalidDefinition("action must be the id of an action")
    if isinstance(rate, bool) or not isinstance(rate, int | float | None):
        raise InvalidDefinition("rate must be a number of letters per second")
    query = DeadLetterQuery(
        action=action,
        fault=None if fault is None else Fault(str(fault)),
        since=parse_instant(document.get("since"), "since"),
    )
    return LetterWork(query=query, rate=None if rate is None else float(rate))


_CHOICE = object_of(
    {
        "action": {"type": ["string", "null"]},
        "fault": {"enum": [*Fault, None]},
        "since": {"type": ["string", "null"]},
        "rate": {"type": ["number", "null"], "exclusiveMinimum": 0},
    }
)
_DONE = {JobKind.REDRIVE: "Put into the queue again", JobKind.DROP: "Forget for good"}

ROUTES = (
    Route(
        method="GET",
        path="/dead-letters",
        right=Right.READ,
        answer=list_letters,
        described=described(
            "List dead letters, newest first",
            _OBJECT,
            parameters=going_on(_FILTERS),
        ),
    ),
    Route(
        method="GET",
        path="/dead-letters/{id}",
        right=Right.READ,
        answer=show_letter,
        described=described(
            "Show a dead letter and its trigger",
            _OBJECT,
            parameters=[_ID],
        ),
    ),
    Route(
        method="POST",
        path="/dead-letters/{id}/redrive",
        right=Right.WRITE,
        answer=redrive_letter,
        described=described(
            "Put the trigger of a dead letter into the queue again",
            TEXT,
            parameters=[_ID],
        ),
    ),
    Route(
        method="DELETE",
        path="/dead-letters/{id}",
        right=Right.WRITE,
        answer=drop_letter,
        described=described(
            "Forget a dead letter for good, also one that cannot be read",
            TEXT,
            parameters=[_ID],
        ),
    ),
    *(
        Route(
            method="POST",
            path=f"/dead-letters/{kind}",
            right=Right.WRITE,
            answer=_starting(kind),
            described=described(
                f"{what} all dead letters that match, as a job",
                _OBJECT,
                body=_CHOICE,
                status="202",
            ),
        )
        for kind, what in _DONE.items()
    ),
)
