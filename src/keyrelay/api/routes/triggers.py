"""Triggers: followed; held, released, cancelled and hurried."""

from collections.abc import Awaitable, Callable

from keyrelay.api.failures import Denied, NotNow
from keyrelay.api.parameters import PAGING, Parameters, parse_parameters
from keyrelay.api.rights import Right
from keyrelay.api.route import Answer, Asked, Route, governed
from keyrelay.api.trigger_documents import (
    ACTED,
    LISTED,
    SHOWN,
    entry_document,
    status_document,
)
from keyrelay.model.action import TARGET
from keyrelay.model.backlog import (
    UNSETTLED,
    Period,
    QueueEntry,
    QueueQuery,
    TriggerState,
)
from keyrelay.model.intervention import Act
from keyrelay.model.policy.kinds import TRIGGER
from keyrelay.model.token import TokenKind
from keyrelay.ports import Unavailable
from keyrelay.services.intervening import Intervening
from keyrelay.services.trigger_status import Tracking, TriggerStatus
from keyrelay.stores.definitions.journal import Journal
from keyrelay.stores.refusals import NotFound

_NOUN = "trigger"
_FILTERS = ("state", "action", "secret", "reason", "since", "until")


async def list_(asked: Asked) -> Answer:
    given = parse_parameters(asked.query, (*_FILTERS, *PAGING))
    query, after = await _query(asked, given), given.text("after") or ""
    amount = given.amount
    listed: list[QueueEntry] = []
    goes_on = None
    async for entry in asked.process.queue.entries(asked.caller.profile, query, after):
        if len(listed) == amount:
            goes_on = listed[-1].place
            break
        listed.append(entry)
    triggers, unread = [*map(entry_document, listed)], await _is_any_unread(asked)
    return Answer(result={"triggers": triggers, "next": goes_on, "unread": unread})


async def _query(asked: Asked, given: Parameters) -> QueueQuery:
    state, secret = given.choice("state", UNSETTLED), given.text("secret")
    secrets, users = asked.process.store.definitions.secrets, frozenset[str]()
    if secret is not None:
        users = await secrets.users(asked.caller.profile, secret)
    return QueueQuery(
        state=None if state is None else TriggerState(state),
        action=given.text("action"),
        secret=secret,
        users=users,
        reason=given.text("reason"),
        accepted=Period(since=given.instant("since"), until=given.instant("until")),
    )


async def _is_any_unread(asked: Asked) -> bool | None:
    """Tell whether a log has records that are not settled; None, it does not say now.

    How many there are tells a profile how much the others publish.
    """
    try:
        return await asked.process.queue.unread() > 0
    except Unavailable:
        return None


async def show(asked: Asked) -> Answer:
    """Tell where a trigger stands; those that only publish, of their own ones.

    Raises Denied, to an analysis that may not trigger its action any more.
    """
    grant, kind = asked.caller.grant, asked.caller.token.rights.kind
    in_full = kind is TokenKind.PROFILE
    if not in_full:
        await _require_own(asked)
    status = await _status(asked)
    if grant is not None and not grant.permits(status.action or ""):
        raise Denied
    return Answer(result=status_document(status, in_full=in_full))


async def _require_own(asked: Asked) -> None:
    """Raise NotFound for a trigger that did not come from the caller's token."""
    id_, caller = asked.ids["id"], asked.caller
    if await asked.process.queue.publisher(caller.profile, id_) != caller.token.id:
        raise NotFound(_NOUN, id_)


async def _status(asked: Asked) -> TriggerStatus:
    """Return what is known of a trigger. Raises NotFound."""
    store, id_ = asked.process.store, asked.ids["id"]
    tracking = Tracking(
        queue=asked.process.queue, trail=store.trail, letters=store.dead_letters
    )
    status = await tracking.find(asked.caller.profile, id_)
    if status is None:
        raise NotFound(_NOUN, id_)
    return status


def _acting(act: Act) -> Callable[[Asked], Awaitable[Answer]]:
    async def answer(asked: Asked) -> Answer:
        store, caller, remark = asked.process.store, asked.caller, None
        journal = Journal(audit_log=store.audit_log)
        intervening = Intervening(
            queue=asked.process.queue, journal=journal, trail=store.trail
        )
        ids = [asked.ids["id"]]
        async for said in intervening.intervene(act, caller.profile, ids, caller.actor):
            if not said.is_known:
                raise NotFound(_NOUN, said.trigger)
            if said.refusal is not None:
                raise NotNow(said.refusal)
            remark = said.remark
        status = await _status(asked)
        return Answer(result=status_document(status, in_full=True), message=remark)

    return answer


_MANY, _ONE = "/triggers", "/triggers/{id}"

ROUTES = (
    Route(method="GET", path=_MANY, right=Right.READ, answer=list_, described=LISTED),
    Route(
        method="GET",
        path=_ONE,
        right=Right.FOLLOW,
        answer=show,
        governed=governed(TARGET, TRIGGER, is_asked=True),
        described=SHOWN,
    ),
    *(
        Route(
            method="POST",
            path=f"{_ONE}/{act}",
            right=Right.WRITE,
            answer=_acting(act),
            described=ACTED[act],
        )
        for act in Act
    ),
)
