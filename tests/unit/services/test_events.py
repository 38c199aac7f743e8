"""Events: each is told once, to those alone whose token counts, in bounded memory."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from keyrelay.concurrency.background import background
from keyrelay.model.cursor import Cursor
from keyrelay.model.token import Token
from keyrelay.ports import Unavailable
from keyrelay.services.events.documents import Event, EventChannel
from keyrelay.services.events.following import LOOK_EACH, Events, rest_after
from keyrelay.services.events.listeners import (
    MOST_WAITING,
    Listener,
    Listeners,
    StreamLimits,
    TooManyStreams,
)
from keyrelay.stores.audit.log import group_commits
from keyrelay.stores.audit.tail import PAGE, AuditTail
from keyrelay.stores.definitions.live_catalog import STALE
from tests.contract.stores.ground import in_a_file
from tests.contract.stores.house import ADA, House, open_house
from tests.contract.stores.records import attempt, record
from tests.fakes import Clock, settled
from tests.samples import NOON, OTHER_PROFILE, PROFILE

ALL = frozenset(EventChannel)
SOON = timedelta(seconds=5)
MINUTE = timedelta(minutes=1)
Use = tuple[str, datetime]  # a token's name, and when it was used


def new_listeners(**limits: int) -> Listeners:
    most = {"in_all": 20, "of_a_profile": 20}
    return Listeners(limits=StreamLimits(**{**most, **limits}))


@pytest.fixture
def uses() -> list[Use]:
    return []


@pytest.fixture
def ticks() -> Clock:
    """Return the clock of the events, and of nothing else."""
    return Clock(time=NOON)


@pytest.fixture
def idle(house: House, ticks: Clock, uses: list[Use]) -> Events:
    return Events(
        tail=AuditTail(database=house.wire),
        catalog=house.catalog,
        world=ticks.world(),
        listeners=new_listeners(),
        note_use=lambda token, at: uses.append((token.name, at)),
    )


@pytest.fixture
async def events(idle: Events) -> AsyncIterator[Events]:
    async with background(idle.keep_telling()):
        yield idle


@pytest.fixture
async def checked(idle: Events) -> AsyncIterator[Events]:
    """Those of a process that looks at tokens alone."""
    async with background(idle.keep_checking()):
        yield idle


@pytest.fixture
async def neighbour(house: House, tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(in_a_file(tmp_path / "house"), house.clock) as neighbour:
        yield neighbour


async def new_token(house: House, profile: str = PROFILE, **document: object) -> Token:
    made = await house.tokens.create(profile, {"name": "ci", **document}, ADA)
    await house.catalog.refresh()
    return made.stored.token


async def look(ticks: Clock) -> None:
    await ticks.until_asleep()
    await ticks.pass_time(MINUTE)


async def taken(listener: Listener) -> list[str]:
    """Return the triggers of the attempts that it was told."""
    told = await listener.take(timedelta())
    assert told is not None
    return [json.loads(event.data)["payload"]["trigger"] for event in told]


async def test_what_any_process_records_is_told_once(
    house: House, neighbour: House, events: Events, ticks: Clock
) -> None:
    await record(house, "before")
    token = await new_token(house)
    listener = await events.listen(token, {EventChannel.ATTEMPTS})
    await record(house, "t1")
    await record(neighbour, "t2", "t3")
    await look(ticks)

    assert sorted(await taken(listener)) == ["t1", "t2", "t3"]
    await record(neighbour, "t4")
    await look(ticks)
    assert await taken(listener) == ["t4"]
    await look(ticks)
    assert await taken(listener) == []


async def test_more_than_a_page_is_told_in_order(
    house: House, events: Events, ticks: Clock
) -> None:
    listener = await events.listen(await new_token(house), {EventChannel.ATTEMPTS})
    log = group_commits(house.audit_log)
    many = [f"t{number:03}" for number in range(2 * PAGE + 1)]
    await log.batch.run([attempt(each) for each in many])
    await look(ticks)

    assert await taken(listener) == many


async def test_nothing_of_another_profile_is_told(
    house: House, events: Events, ticks: Clock
) -> None:
    mine = await events.listen(await new_token(house), ALL)
    other = await events.listen(await new_token(house, OTHER_PROFILE), ALL)
    await group_commits(house.audit_log).append(attempt("theirs", OTHER_PROFILE))
    await record(house, "mine")
    await look(ticks)

    assert await taken(mine) == ["mine"]
    assert await taken(other) == ["theirs"]


async def test_what_happened_while_nobody_listened_is_not_told(
    house: House, events: Events, ticks: Clock
) -> None:
    token = await new_token(house)
    events.leave(await events.listen(token, ALL))
    await record(house, "unheard")
    listener = await events.listen(token, ALL)
    await record(house, "heard")
    await look(ticks)

    assert await taken(listener) == ["heard"]


async def test_nothing_is_read_while_nobody_listens(
    house: House, events: Events, ticks: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    token = await new_token(house)
    listener = await events.listen(token, ALL)
    await ticks.until_asleep()
    events.leave(listener)
    house.wire.cut.add("reading")

    ticks.advance(MINUTE)
    await settled()

    assert not ticks._sleeps
    assert "not followed" not in caplog.text
    house.wire.cut.clear()
    listener = await events.listen(token, ALL)
    await record(house, "t1")
    await look(ticks)
    assert await taken(listener) == ["t1"]


async def test_an_outage_delays_events_and_loses_none(
    house: House,
    neighbour: House,
    events: Events,
    ticks: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    token = await new_token(house)
    listener = await events.listen(token, {EventChannel.ATTEMPTS})
    house.wire.cut.add("reading")
    await record(neighbour, "t1")
    await look(ticks)
    assert await taken(listener) == []
    assert "events are not followed" in caplog.text

    house.wire.cut.clear()
    await record(neighbour, "t2")
    await look(ticks)

    assert await taken(listener) == ["t1", "t2"]


async def test_while_the_database_is_away_nothing_can_be_listened_to(
    house: House, events: Events, ticks: Clock
) -> None:
    token = await new_token(house)
    house.wire.cut.add("reading")

    with pytest.raises(Unavailable):
        await events.listen(token, ALL)
    assert list(events.listeners) == []


async def test_a_database_that_was_restored_tells_nothing_again(
    house: House, events: Events, ticks: Clock
) -> None:
    listener = await events.listen(await new_token(house), {EventChannel.ATTEMPTS})
    await record(house, "t1")
    await look(ticks)
    assert await taken(listener) == ["t1"]

    await house.break_in("UPDATE audit_chains SET head_seq = 0")
    await look(ticks)
    assert await taken(listener) == []


async def test_it_looks_again_soon_or_later_where_that_takes_long(
    house: House, events: Events, ticks: Clock
) -> None:
    await events.listen(await new_token(house), ALL)

    await ticks.until_asleep(LOOK_EACH)
    assert rest_after(timedelta(milliseconds=25)) == LOOK_EACH
    assert rest_after(timedelta(seconds=1)) == timedelta(seconds=20)


@pytest.mark.parametrize("how", ["revoked", "edited", "expired", "stale"])
async def test_a_listener_ends_with_its_token(
    house: House, checked: Events, ticks: Clock, how: str
) -> None:
    ends = (NOON + timedelta(seconds=2)).isoformat()
    token = await new_token(house, expire_time=ends if how == "expired" else "never")
    listener = await checked.listen(token, ALL)
    await ticks.until_asleep()
    await ticks.pass_time(timedelta(seconds=1))
    assert not listener.ended.is_set()

    match how:
        case "revoked":
            await house.tokens.revoke(PROFILE, token.id, ADA)
            await house.catalog.refresh()
        case "edited":
            await house.break_in("UPDATE tokens SET name = 'other'")
            await house.accepting.accept(PROFILE, token.id, ADA)
            await house.catalog.refresh()
        case "stale":
            house.clock.advance(STALE + timedelta(seconds=1))
        case _:
            pass
    await ticks.until_asleep()
    await ticks.pass_time(timedelta(seconds=1))

    assert listener.ended.is_set()
    assert await listener.take(SOON) is None


async def test_a_stream_that_is_open_is_a_use_of_its_token(
    house: House, checked: Events, ticks: Clock, uses: list[Use]
) -> None:
    await checked.listen(await new_token(house), ALL)
    await ticks.until_asleep()
    await ticks.pass_time(timedelta(seconds=1))

    assert uses == [("ci", NOON), ("ci", NOON + timedelta(seconds=1))]


async def test_what_was_missed_is_told_from_a_place_on_oldest_first(
    house: House, events: Events, ticks: Clock
) -> None:
    log = group_commits(house.audit_log)
    many = [
        replace(attempt(f"t{number:03}"), at=NOON + timedelta(seconds=number))
        for number in range(450)
    ]
    await log.batch.run(many)
    await log.append(replace(attempt("theirs", OTHER_PROFILE), at=NOON + MINUTE))

    told: list[Sequence[Event]] = [
        each async for each in events.missed(PROFILE, Cursor(NOON, many[0].id))
    ]

    triggers = [
        json.loads(event.data)["payload"]["trigger"] for part in told for event in part
    ]
    assert triggers == [f"t{number:03}" for number in range(1, 450)]
    assert [len(part) for part in told] == [200, 200, 49]
    assert [part async for part in events.missed(PROFILE, Cursor(NOON + DAY, ""))] == []


# --- listeners


TOKEN_EVENT = Event(channel=EventChannel.SECRETS, data=bytes(1000))
DAY = timedelta(days=1)


async def test_a_listener_that_takes_nothing_ends_and_holds_nothing(
    house: House,
) -> None:
    listeners = new_listeners()
    token = await new_token(house)
    slow, quick = listeners.add(token, ALL), listeners.add(token, ALL)
    for _ in range(MOST_WAITING // 1000):
        listeners.tell(PROFILE, TOKEN_EVENT)
        assert await quick.take(SOON) == [TOKEN_EVENT]
    assert not slow.ended.is_set()

    listeners.tell(PROFILE, TOKEN_EVENT)

    assert slow.ended.is_set()
    assert slow._waiting.events == []
    listeners.tell(PROFILE, TOKEN_EVENT)
    assert slow._waiting.events == []
    assert await slow.take(SOON) is None
    assert not quick.ended.is_set()


async def test_only_the_channels_that_were_asked_for_are_kept(house: House) -> None:
    listeners = new_listeners()
    listener = listeners.add(await new_token(house), {EventChannel.ATTEMPTS})

    listeners.tell(PROFILE, TOKEN_EVENT)

    assert await listener.take(timedelta()) == ()


async def test_a_listener_waits_for_what_comes(house: House) -> None:
    listeners = new_listeners()
    listener = listeners.add(await new_token(house), ALL)
    waiting = asyncio.ensure_future(listener.take(SOON))
    await asyncio.wait({waiting}, timeout=0)

    listeners.tell(PROFILE, TOKEN_EVENT)

    assert await waiting == [TOKEN_EVENT]


async def test_tokens_profiles_and_a_process_have_so_many_and_no_more(
    house: House,
) -> None:
    one, two = await new_token(house), await new_token(house)
    theirs = await new_token(house, OTHER_PROFILE)
    listeners = new_listeners(in_all=4, of_a_profile=3, of_a_token=2)
    first, _ = listeners.add(one, ALL), listeners.add(one, ALL)
    with pytest.raises(TooManyStreams, match="this token has 2 event streams"):
        listeners.add(one, ALL)
    listeners.add(two, ALL)
    with pytest.raises(TooManyStreams, match="this profile has as many"):
        listeners.add(two, ALL)
    last = listeners.add(theirs, ALL)
    with pytest.raises(TooManyStreams, match="this process has as many"):
        listeners.add(theirs, ALL)

    listeners.remove(first)
    listeners.remove(last)

    assert listeners.profiles == [PROFILE]
    for _ in range(2):
        listeners.add(theirs, ALL)
    assert len(list(listeners)) == 4
