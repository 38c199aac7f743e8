"""Attempts: what was tried, and how it ended, newest first."""

from keyrelay.api.described import described, going_on
from keyrelay.api.parameters import PAGING, parse_parameters
from keyrelay.api.rights import Right
from keyrelay.api.route import Answer, Asked, Route
from keyrelay.model.audit import RESULTS
from keyrelay.model.cursor import parse_cursor
from keyrelay.model.outcome import ReasonClass
from keyrelay.services.events.documents import attempt_document
from keyrelay.stores.attempts import AttemptFilter, AttemptQuery, AttemptStore

_FILTERS = {
    "trigger": "Only those of this trigger.",
    "action": "Only those of this action, by id.",
    "secret": "Only those with this secret, by id.",
    "outcome": f"One of {', '.join(RESULTS)}.",
    "reason_class": f"One of {', '.join(ReasonClass)}.",
    "since": "Only those that began then or later (RFC 3339).",
    "until": "Only those that began before.",
}


async def list_attempts(asked: Asked) -> Answer:
    given = parse_parameters(asked.query, (*_FILTERS, *PAGING))
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
    attempts = AttemptStore(database=asked.process.store.database)
    page = await attempts.list(asked.caller.profile, query)
    goes_on = None if page.after is None else str(page.after)
    return Answer(
        result={"attempts": [*map(attempt_document, page.attempts)], "next": goes_on}
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
            parameters=going_on(_FILTERS),
        ),
    ),
)
