"""Publishing: triggers are accepted, each answered once it is durable."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from itertools import islice

from starlette.responses import Response

from keyrelay.api.failures import Denied, NotNow
from keyrelay.api.publish_answers import PublishAnswers
from keyrelay.api.rights import Right
from keyrelay.api.route import Asked, BodyTooLarge, Route, governed
from keyrelay.api.trigger_documents import PUBLISHED
from keyrelay.api.trigger_formats import TriggerFormat, format_of
from keyrelay.app.runs import run_chains
from keyrelay.model.action import TARGET
from keyrelay.model.documents import require_text
from keyrelay.model.policy.kinds import TRIGGER
from keyrelay.model.trigger import Origin
from keyrelay.ports import Unavailable
from keyrelay.services.granting import grant_of
from keyrelay.services.publishing import (
    Allowed,
    BacklogFull,
    Publishing,
    ReadTrigger,
    numbered_id,
)
from keyrelay.services.run_chains import LONGEST
from keyrelay.sources.cutting import Cut, cut

MOST_TRIGGERS = 100_000  # of one request
LARGEST_REQUEST = 256 * 1024 * 1024  # bytes
_LONGEST_KEY = 255
_FULL = "the backlog is full (KEYRELAY_BACKLOG_LIMIT): send the rest later"
_AWAY = "the queue does not answer now: send the rest again"


async def publish(asked: Asked) -> Response:
    """Answer once all that the answer says is durable.

    An analysis is denied what it is not allowed, as by every route: a request, if none
    of its triggers is allowed. Raises Denied and NotNow.
    """
    grant = asked.caller.grant
    if grant is not None and grant.reach.is_empty:
        raise Denied
    await _require_an_end(asked)
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
    if grant is not None and answers.is_all_denied:
        raise Denied
    return answers.response()


async def _require_an_end(asked: Asked) -> None:
    """Raise NotNow for a run that many others led to, one by one."""
    process, caller = asked.process, asked.caller
    run = caller.token.rights.run
    if run is None:
        return
    if await run_chains(process.store, process.queue).is_full(caller.profile, run):
        raise NotNow(
            f"{LONGEST} runs led to one another by the triggers that they published: so"
            " that no loop goes on for ever, this one publishes no more"
        )


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
        allowed=lambda: _allowed(asked),
        room=lambda many: process.intake.backlog_limit.take(caller.profile, many),
    )


async def _allowed(asked: Asked) -> Allowed:
    """Return what tells the actions that the caller may publish to at this moment."""
    caller = asked.caller
    rights = caller.token.rights
    if rights.analysis is None:
        named = rights.actions
        return lambda action: named is None or action in named
    # Anew for each part: a request may take minutes, and a policy be removed meanwhile.
    catalog = await asked.process.newest_catalog()
    grant = grant_of(catalog, caller.profile, rights.analysis, TARGET, TRIGGER)
    return _none if grant is None else cache(grant.permits)


def _none(_: str) -> bool:
    return False


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


ROUTES = (
    Route(
        method="POST",
        path="/triggers",
        right=Right.PUBLISH,
        answer=publish,
        governed=governed(TARGET, TRIGGER, is_asked=True),
        described=PUBLISHED,
    ),
)
