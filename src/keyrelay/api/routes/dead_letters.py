"""Dead letters: listed and shown; redriven or dropped, one at once, many by a job."""

from collections.abc import AsyncIterator, Awaitable, Callable

from keyrelay.api.described import (
    AMOUNT,
    COUNT,
    INSTANT,
    TEXT,
    Part,
    described,
    filters,
    going_on,
    list_of,
    object_of,
    path_id,
)
from keyrelay.api.letter_choices import (
    CHOICE,
    LETTER_FILTERS,
    letter_query,
    letter_work,
)
from keyrelay.api.parameters import PAGING, parse_parameters
from keyrelay.api.rights import Right
from keyrelay.api.route import Answer, Asked, Route
from keyrelay.app.jobs import jobs_of
from keyrelay.model.cursor import parse_cursor
from keyrelay.model.job import JobKind
from keyrelay.services.dead_letter_documents import (
    groups_document,
    letter_document,
    whole_letter_document,
)
from keyrelay.services.jobs import job_document
from keyrelay.services.redriving import (
    DeadLetterAdministration,
    LetterResult,
    Redriving,
)
from keyrelay.stores.dead_letter_groups import LetterCounting
from keyrelay.stores.dead_letter_query import LetterPage

_OBJECT: Part = {"type": "object"}
_ID = path_id("The trigger's id.")
_GROUP = object_of(
    {
        "action": TEXT,
        "fault": TEXT,
        "reason": TEXT,
        "count": COUNT,
        "newest": {**INSTANT, "type": ["string", "null"]},
    },
    *("action", "fault", "reason", "count", "newest"),
)
_GROUPS = object_of(
    {
        "groups": list_of(_GROUP),
        "letters": {"type": "integer", "minimum": 0},
        "actions": {"type": "integer", "minimum": 0},
        "are_all": {"type": "boolean"},
    },
    *("groups", "letters", "actions", "are_all"),
)


async def list_letters(asked: Asked) -> Answer:
    given = parse_parameters(asked.query, (*LETTER_FILTERS, *PAGING))
    after = given.text("after")
    page = LetterPage(
        after=None if after is None else parse_cursor(after), amount=given.amount
    )
    letters = asked.process.store.dead_letters
    found, place = await letters.page(asked.caller.profile, letter_query(given), page)
    shown = [*map(letter_document, found)]
    goes_on = None if place is None else str(place)
    return Answer(result={"dead_letters": shown, "next": goes_on})


async def count_letters(asked: Asked) -> Answer:
    given = parse_parameters(asked.query, (*LETTER_FILTERS, "amount"))
    counting = LetterCounting(database=asked.process.store.database)
    found = await counting.groups(
        asked.caller.profile, letter_query(given), given.amount
    )
    return Answer(result=groups_document(found))


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
        work, caller = letter_work(await asked.body.document()), asked.caller
        jobs = jobs_of(asked.process.store)
        job = await jobs.start(kind, caller.profile, caller.actor, work)
        return Answer(result=job_document(job), status=202)

    return answer


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
            parameters=going_on(LETTER_FILTERS),
        ),
    ),
    # Not below the path of the letters, where each name is the id of a trigger.
    Route(
        method="GET",
        path="/dead-letter-groups",
        right=Right.READ,
        answer=count_letters,
        described=described(
            "Count dead letters by action, fault and reason, the largest groups first",
            _GROUPS,
            parameters=[*filters(LETTER_FILTERS), AMOUNT],
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
                body=CHOICE,
                status="202",
            ),
        )
        for kind, what in _DONE.items()
    ),
)
