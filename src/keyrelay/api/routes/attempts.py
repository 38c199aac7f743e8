"""Attempts: what was tried, and how it ended, newest first; and counted by minutes."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from keyrelay.api.described import (
    Part,
    described,
    filters,
    going_on,
    in_query,
    list_of,
    object_of,
)
from keyrelay.api.parameters import PAGING, parse_parameters
from keyrelay.api.rights import Right
from keyrelay.api.route import Answer, Asked, Route
from keyrelay.model.audit import RESULTS
from keyrelay.model.cursor import parse_cursor
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.instant import wire_instant
from keyrelay.model.outcome import ReasonClass
from keyrelay.services.attempts import detailed_documents
from keyrelay.services.events.documents import attempt_document
from keyrelay.stores.attempts import (
    AttemptFilter,
    AttemptPage,
    AttemptQuery,
    AttemptStore,
    MinuteCount,
)

_FILTERS = {
    "trigger": "Only those of this trigger.",
    "action": "Only those of this action, by id.",
    "secret": "Only those with this secret, by id.",
    "outcome": f"One of {', '.join(RESULTS)}.",
    "reason_class": f"One of {', '.join(ReasonClass)}.",
    "since": "Only those that began then or later (RFC 3339).",
    "until": "Only those that began before.",
}
_COUNTED = {
    "action": "Only those of this action, by id.",
    "since": "Minutes that began then or later (RFC 3339); left out, an hour ago.",
    "until": "Minutes that began before; left out, now.",
}
_DETAILS, _YES = "details", "true"
_HOUR, _LONGEST = timedelta(hours=1), timedelta(days=1)


async def list_attempts(asked: Asked) -> Answer:
    given = parse_parameters(asked.query, (*_FILTERS, _DETAILS, *PAGING))
    kind, after = given.choice("reason_class", [*ReasonClass]), given.text("after")
    query = AttemptQuery(
        having=AttemptFilter(
            trigger=given.text("trigger"),
            action=given.text("action"),
            secret=given.text("secret"),
            outcome=given.choice("outcome", RESULTS),
            reason_class=None if kind is None else ReasonClass(kind),
        ),
        since=given.instant("since"),
        until=given.instant("until"),
        after=None if after is None else parse_cursor(after),
        amount=given.amount,
    )
    in_detail = given.choice(_DETAILS, (_YES,)) is not None
    page = await _store(asked).list(asked.caller.profile, query)
    listed = await _detailed(asked, page) if in_detail else _plain(page)
    goes_on = None if page.after is None else str(page.after)
    return Answer(result={"attempts": listed, "next": goes_on})


async def count_attempts(asked: Asked) -> Answer:
    given = parse_parameters(asked.query, _COUNTED)
    until = given.instant("until") or asked.process.store.audit_log.world.now()
    since = given.instant("since") or until - _HOUR
    if not timedelta() <= until - since <= _LONGEST:
        raise InvalidDefinition("since and until must be at most a day apart")
    counts = await _store(asked).counts(
        asked.caller.profile, since, until, given.text("action")
    )
    return Answer(result=[*map(_count_document, counts)])


def _plain(page: AttemptPage) -> Sequence[Mapping[str, object]]:
    return [*map(attempt_document, page.attempts)]


async def _detailed(asked: Asked, page: AttemptPage) -> Sequence[Mapping[str, object]]:
    catalog = asked.process.catalog.current()
    trail, profile = asked.process.store.trail, asked.caller.profile
    return await detailed_documents(trail, catalog, profile, page.attempts)


def _store(asked: Asked) -> AttemptStore:
    return AttemptStore(database=asked.process.store.database)


def _count_document(count: MinuteCount) -> Mapping[str, object]:
    return {
        "minute": wire_instant(count.minute),
        "outcome": count.outcome,
        "count": count.count,
    }


_COUNT: Part = object_of(
    {
        "minute": {"type": "string", "format": "date-time"},
        "outcome": {"enum": [*RESULTS]},
        "count": {"type": "integer", "minimum": 1},
    },
    *("minute", "outcome", "count"),
)

ROUTES = (
    Route(
        method="GET",
        path="/attempts",
        right=Right.READ,
        answer=list_attempts,
        described=described(
            "List attempts, newest first",
            {"type": "object"},
            parameters=[
                *going_on(_FILTERS),
                in_query(
                    _DETAILS,
                    {"enum": [_YES]},
                    "Each with its record, and the names of its action and secret.",
                ),
            ],
        ),
    ),
    Route(
        method="GET",
        path="/attempts/counts",
        right=Right.READ,
        answer=count_attempts,
        described=described(
            "Count attempts by minutes and outcomes",
            list_of(_COUNT),
            parameters=filters(_COUNTED),
        ),
    ),
)
