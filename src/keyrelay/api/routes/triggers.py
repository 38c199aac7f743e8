"""Triggers: published and followed; held, released, cancelled and hurried."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice

from starlette.responses import Response

from keyrelay.api.failures import NotNow
from keyrelay.api.parameters import PAGING, Parameters, parse_parameters
from keyrelay.api.publish_answers import PublishAnswers
from keyrelay.api.rights import Right
from keyrelay.api.route import Answer, Asked, BodyTooLarge, Route
from keyrelay.api.trigger_documents import (
    ACTED,
    LISTED,
    PUBLISHED,
    SHOWN,
    entry_document,
    status_document,
)
from keyrelay.api.trigger_formats import TriggerFormat, format_of
from keyrelay.model.backlog import (
    UNSETTLED,
    Period,
    QueueEntry,
    QueueQuery,
    TriggerState,
)
from keyrelay.model.documents import require_text
from keyrelay.model.intervention import Act
from keyrelay.model.token import TokenKind
from keyrelay.model.trigger import Origin
from keyrelay.ports import Unavailable
from keyrelay.services.intervening import Intervening
from keyrelay.services.publishing import (
    BacklogFull,
    Publishing,
    ReadTrigger,
    numbered_id,
)
from keyrelay.services.trigger_status import Tracking, TriggerStatus
from keyrelay.sources.cutting import Cut, cut
from keyrelay.stores.definitions.journal import Journal
from keyrelay.stores.refusals import NotFound

MOST_TRIGGERS = 100_000  # of one request
LARGEST_REQUEST = 256 * 1024 * 1024  # bytes
_LONGEST_KEY = 255
_FULL = "the backlog is full (KEYRELAY_BACKLOG_LIMIT): send the rest later"
_AWAY = "the queue does not answer now: send the rest again"
_NOUN = "trigger"


async def publish(asked: Asked) -> Response:
    """Answer once all that the answer says is durable."""
    format_, answers = format_of(asked.headers), PublishAnswers()
    parts = _at_most(cut(_bounded(asked.body.chunks()), format_.cutter))
    try:
        await _publishing(asked, format_).publish_all(parts, answers.add)
    except BacklogFull:
        return answers.cut_short(429, _FULL)
    except BodyTooLarge as fault:
        return answers.cut_short(413, str(fault))
    except Unavailable:
        if not answers.kept:
            raise
        return answers.cut_short(503, _AWAY)
    return answers.response()


def _publishing(asked: Asked, format_: TriggerFormat) -> Publishing:
    process, caller = asked.process, asked.caller
    world = process.store.audit_log.world
    key = asked.headers.get("idempotency-key")
    if key is not None:
        require_text(key, "Idempotency-Key", longest=_LONGEST_KEY)

    def numbered(origin: Origin, number: int) -> Origin:
        if key is None:
            return origin
        id_ = numbered_id(caller.profile, key, number)
        return replace(origin, new_id=lambda _: id_)

    def reading(at: datetime) -> ReadTrigger:
        origin = Origin(
            profile=caller.profile,
            now=lambda: at,
            new_id=world.new_id,
            publisher=caller.token.id,
        )
        return lambda number, raw: format_.read(raw, numbered(origin, number))

    return Publishing(
        inbox=process.queue,
        reading=reading,
        now=world.now,
        actions=caller.token.rights.actions,
        room=lambda many: process.intake.backlog_limit.take(caller.profile, many),
    )


async def _bounded(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    left = LARGEST_REQUEST
    async for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            raise BodyTooLarge(f"a request may have {LARGEST_REQUEST} bytes at most")
        yield chunk


async def _at_most(
    parts: AsyncIterator[Sequence[Cut]],
) -> AsyncIterator[Sequence[Cut]]:
    left = MOST_TRIGGERS
    async for part in parts:
        yield [*islice(part, left)]
        left -= len(part)
        if left < 0:
            raise BodyTooLarge(f"a request may hold {MOST_TRIGGERS} triggers at most")


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
    is_producer = asked.caller.token.rights.kind is TokenKind.PRODUCER
    if is_producer:
        await _require_own(asked)
    return Answer(result=status_document(await _status(asked), in_full=not is_producer))


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
    Route(
        method="POST",
        path=_MANY,
        right=Right.PUBLISH,
        answer=publish,
        described=PUBLISHED,
    ),
    Route(method="GET", path=_MANY, right=Right.READ, answer=list_, described=LISTED),
    Route(method="GET", path=_ONE, right=Right.FOLLOW, answer=show, described=SHOWN),
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
