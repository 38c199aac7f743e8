"""Pauses of refused credentials hold on all workers, others on one; all are seen."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from keyrelay.engine.breaker import Breaker
from keyrelay.engine.circuits import Circuits
from keyrelay.engine.pausing import PauseSharing, Untold
from keyrelay.model.outcome import Blame, Deferred, Delivered, Outcome
from keyrelay.model.pause import PauseKind, PauseRecord, SharedPause
from keyrelay.model.secret import Secret
from keyrelay.ports import Unavailable
from keyrelay.stores.pauses import PauseRecords, WorkerPauses
from tests.contract.stores.ground import on_sqlite
from tests.contract.stores.house import ADA, House, smtp_secret
from tests.fakes import Clock, settled
from tests.samples import NOON, OTHER_PROFILE, PROFILE, a_secret

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
REFUSED = Deferred("535 no", spends_attempt=False, blame=Blame.CREDENTIAL)
DOWN = Deferred("connection refused", blame=Blame.PEER)
TAKEN = Delivered("250 ok")
OURS = Deferred("too many of them a minute", spends_attempt=False)
NEW_VALUE = {"value": {**smtp_secret()["value"], "password": "another"}}  # type: ignore[dict-item]


@dataclass
class Doorstep:
    """ports.Pauses of one worker; `held_up` waits before each answer of `refused`.

    `asked` and `told` are set after each reading and each writing.
    """

    behind: WorkerPauses
    away: bool = False
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    told: asyncio.Event = field(default_factory=asyncio.Event)
    held_up: asyncio.Event | None = None

    async def refused(self) -> Sequence[SharedPause]:
        self._answer()
        found = await self.behind.refused()
        self.asked.set()
        if self.held_up is not None:
            await self.held_up.wait()
        return found

    async def replaced(self, versions: Mapping[str, int]) -> Collection[str]:
        self._answer()
        return await self.behind.replaced(versions)

    async def keep_refused(self, pause: SharedPause) -> None:
        self._answer()
        await self.behind.keep_refused(pause)

    async def end_refused(self, secret: str, version: int) -> None:
        self._answer()
        await self.behind.end_refused(secret, version)
        self.told.set()

    async def claim_probe(self, pause: SharedPause) -> bool:
        self._answer()
        return await self.behind.claim_probe(pause)

    async def keep_unreachable(self, pauses: Sequence[SharedPause]) -> None:
        self._answer()
        await self.behind.keep_unreachable(pauses)
        self.told.set()

    def _answer(self) -> None:
        if self.away:
            raise Unavailable("the database does not answer")


@dataclass
class Site:
    """A worker's breaker with what shares its pauses, and the secrets that it woke.

    Its sharing sleeps by a clock of its own.
    """

    house: House
    name: str
    clock: Clock = field(default_factory=lambda: Clock(time=NOON))
    woken: list[str] = field(default_factory=list)
    breaker: Breaker = field(init=False)
    door: Doorstep = field(init=False)
    sharing: PauseSharing = field(init=False)

    def __post_init__(self) -> None:
        world, untold = self.house.audit_log.world, Untold()
        world = replace(world, sleep=self.clock.sleep)
        circuits = Circuits(now=world.now, wake=self.woken.append)
        self.breaker = Breaker(slow_limit=9, circuits=circuits, told=untold.note)
        self.door = Doorstep(
            WorkerPauses(
                database=self.house.database,
                world=world,
                id=world.new_id(world.now()),
                name=self.name,
            )
        )
        self.sharing = PauseSharing(
            breaker=self.breaker, pauses=self.door, world=world, untold=untold
        )

    def observe(self, secret: Secret, outcome: Outcome, times: int = 1) -> None:
        for _ in range(times):
            with self.breaker.attempt(secret) as attempt:
                pass
            self.breaker.observe(attempt, outcome)

    async def admits(self, secret: Secret) -> bool:
        return await self.sharing.admit(secret) is None

    async def sees(self, secret: Secret, outcome: Outcome, times: int = 1) -> None:
        """Observe it and share it."""
        self.observe(secret, outcome, times)
        await self.sharing.refresh()

    async def begin_to_read(self) -> tuple[asyncio.Task[None], asyncio.Event]:
        """Return what has asked for the pauses, and what lets it have the answer."""
        self.door.asked.clear()
        self.door.held_up = asyncio.Event()
        reading = asyncio.create_task(self.sharing.refresh())
        await self.door.asked.wait()
        return reading, self.door.held_up


@pytest.fixture
async def secret(house: House) -> Secret:
    sealed = await house.secrets.create(PROFILE, smtp_secret(), ADA)
    return sealed.secret


@pytest.fixture
def one(house: House) -> Site:
    return Site(house, "north:1")


@pytest.fixture
def two(neighbour: House) -> Site:
    return Site(neighbour, "south:2")


@pytest.fixture
async def sharing(two: Site) -> AsyncIterator[asyncio.Event]:
    """The second worker shares until this event is set."""
    stop = asyncio.Event()
    task = asyncio.create_task(two.sharing.share(stop))
    yield stop
    stop.set()
    await task


async def seen(house: House, profile: str | None = PROFILE) -> Sequence[PauseRecord]:
    world = house.audit_log.world
    return await PauseRecords(database=house.database, world=world).standing(profile)


async def replace_value(house: House, secret: Secret) -> Secret:
    sealed = await house.secrets.edit(PROFILE, secret.id, NEW_VALUE, ADA)
    return sealed.secret


async def make_due(*sites: Site) -> None:
    """Let the time of the next probe come, on every clock there is."""
    await sites[0].house.break_in("UPDATE pauses SET probe_at = since, prober = NULL")
    for site in sites:
        await site.sharing.refresh()


# A refused credential


async def test_a_refused_credential_holds_on_every_worker_with_its_reason(
    secret: Secret, one: Site, two: Site
) -> None:
    await one.sees(secret, REFUSED)
    await two.sharing.refresh()

    held = await two.sharing.admit(secret)

    assert held is not None
    assert held.reason == "secret smtp-main is paused: 535 no"
    assert (held.spends_attempt, held.waits_for) == (False, secret.id)
    assert timedelta() < held.not_before <= MINUTE + SECOND
    assert two.breaker.circuits.holds(secret.id)
    assert two.breaker.circuits.paused() == {PauseKind.REFUSED: 1}


async def test_a_worker_that_starts_later_obeys_from_its_first_trigger_on(
    secret: Secret, one: Site, neighbour: House
) -> None:
    await one.sees(secret, REFUSED)

    late = Site(neighbour, "late:3")
    await late.sharing.refresh()

    assert not await late.admits(secret)


@pytest.mark.parametrize("refused_first", [True, False], ids=["before", "after"])
async def test_what_was_under_way_when_it_was_refused_makes_no_pause_longer(
    secret: Secret, one: Site, two: Site, *, refused_first: bool
) -> None:
    with two.breaker.attempt(secret) as under_way:
        if refused_first:
            await one.sees(secret, REFUSED)
            await two.sharing.refresh()
            two.breaker.observe(under_way, REFUSED)
        else:
            two.breaker.observe(under_way, REFUSED)
            await one.sees(secret, REFUSED)
    for site in (two, one, two):
        await site.sharing.refresh()

    (record,) = await seen(one.house)
    assert record.probe_at - record.since < MINUTE + 10 * SECOND
    assert not await one.admits(secret)
    assert not await two.admits(secret)


async def test_people_see_why_and_since_when(
    secret: Secret, one: Site, house: House
) -> None:
    await one.sees(secret, REFUSED)
    (before,) = await seen(house)
    await make_due(one)
    assert await one.admits(secret)
    await one.sees(secret, Deferred("535 still no", blame=Blame.CREDENTIAL))

    (after,) = await seen(house)

    assert (before.secret, before.reason, before.worker) == (secret.id, "535 no", None)
    assert before.kind is PauseKind.REFUSED
    assert (after.reason, after.since) == ("535 still no", before.since)
    assert await seen(house, OTHER_PROFILE) == []
    assert await seen(house, None) == [after]


async def test_its_end_ends_it_on_every_worker_and_wakes_what_waits_there(
    secret: Secret, one: Site, two: Site, house: House
) -> None:
    await one.sees(secret, REFUSED)
    await two.sharing.refresh()

    await one.sees(secret, TAKEN)
    await two.sharing.refresh()

    assert (one.woken, two.woken) == ([secret.id], [secret.id])
    assert await two.admits(secret)
    assert await seen(house) == []


async def test_an_end_is_told_at_once_and_heard_within_a_second(
    secret: Secret, one: Site, two: Site, sharing: asyncio.Event, house: House
) -> None:
    await two.clock.until_asleep(SECOND)
    await one.sees(secret, REFUSED)
    two.door.asked.clear()
    two.clock.advance(SECOND)
    await two.door.asked.wait()
    assert two.breaker.circuits.holds(secret.id)

    await two.clock.until_asleep(SECOND)
    two.observe(secret, TAKEN)  # of an attempt that was under way
    await two.door.told.wait()

    assert await seen(house) == []
    assert not sharing.is_set()


async def test_no_worker_undoes_what_changes_while_it_reads(
    secret: Secret, one: Site, two: Site
) -> None:
    await one.sees(secret, REFUSED)
    await two.sharing.refresh()
    reading, go_on = await two.begin_to_read()

    two.observe(secret, TAKEN)
    go_on.set()
    await reading

    assert await two.admits(secret)
    two.observe(secret, REFUSED)
    await two.sharing.refresh()
    assert not await two.admits(secret)


async def test_what_could_not_be_told_is_told_later(
    secret: Secret, one: Site, two: Site, caplog: pytest.LogCaptureFixture
) -> None:
    one.door.away = True
    await one.sees(secret, REFUSED)
    await one.sharing.refresh()
    await two.sharing.refresh()
    assert not await one.admits(secret)
    assert await two.admits(secret)

    one.door.away = False
    await one.sharing.refresh()
    await two.sharing.refresh()

    assert not await one.admits(secret)
    assert not await two.admits(secret)
    said = [each.message for each in caplog.records]
    assert said.count("pauses not shared") == 1


# A replaced or deleted secret


@pytest.mark.parametrize("hears_first", [True, False], ids=["heard", "not heard yet"])
async def test_a_replaced_secret_is_paused_nowhere(
    secret: Secret, one: Site, two: Site, *, hears_first: bool
) -> None:
    await one.sees(secret, REFUSED)
    await two.sharing.refresh()

    new = await replace_value(one.house, secret)
    assert await seen(one.house) == []
    if hears_first:
        two.breaker.circuits.replaced(new)
    await two.sharing.refresh()

    assert await two.admits(new)
    assert not two.breaker.circuits.holds(secret.id)


async def test_the_replaced_version_is_not_tried_by_a_worker_a_moment_behind(
    secret: Secret, one: Site, two: Site
) -> None:
    await one.sees(secret, REFUSED)
    await two.sharing.refresh()

    new = await replace_value(one.house, secret)
    await two.sharing.refresh()

    assert not await two.admits(secret)
    assert two.woken == []
    two.breaker.circuits.replaced(new)
    assert two.woken == [secret.id]
    assert await two.admits(new)


async def test_a_deleted_secret_is_paused_on_no_worker(
    secret: Secret, one: Site, two: Site, house: House
) -> None:
    await one.sees(secret, REFUSED)
    await two.sharing.refresh()

    await house.secrets.delete(PROFILE, secret.id, ADA)
    await two.sharing.refresh()

    assert two.breaker.circuits.paused() == {}


async def test_a_worker_a_moment_behind_pauses_no_replaced_secret(
    secret: Secret, one: Site, two: Site, house: House
) -> None:
    new = await replace_value(house, secret)

    await one.sees(secret, REFUSED)
    await two.sharing.refresh()

    assert await seen(house) == []
    assert await two.admits(new)
    one.breaker.circuits.replaced(new)
    assert await one.admits(new)


async def test_a_new_version_that_is_refused_too_holds_on_those_that_know_the_old_one(
    secret: Secret, one: Site, two: Site
) -> None:
    assert await two.admits(secret)
    new = await replace_value(one.house, secret)
    await one.sees(new, REFUSED)
    await two.sharing.refresh()

    two.breaker.circuits.replaced(new)

    assert not await two.admits(new)


async def test_a_deleted_secret_leaves_no_pause(
    secret: Secret, one: Site, house: House
) -> None:
    await one.sees(secret, REFUSED)

    await house.secrets.delete(PROFILE, secret.id, ADA)

    assert await house.look("SELECT secret FROM pauses") == []


# Probes


async def test_one_worker_alone_probes(secret: Secret, one: Site, two: Site) -> None:
    await one.sees(secret, REFUSED)
    await make_due(one, two)

    admitted = [await site.admits(secret) for site in (one, two, one, two)]

    assert admitted == [True, False, False, False]
    await two.sharing.refresh()
    assert not await two.admits(secret)


async def test_a_failed_probe_makes_the_pause_twice_as_long_everywhere(
    secret: Secret, one: Site, two: Site
) -> None:
    await one.sees(secret, REFUSED)
    await make_due(one, two)
    assert await two.admits(secret)
    await two.sees(secret, REFUSED)
    await one.sharing.refresh()

    held = await one.sharing.admit(secret)

    assert held is not None
    assert held.not_before > 100 * SECOND


async def test_another_worker_probes_if_the_first_died_of_it(
    secret: Secret, one: Site, two: Site
) -> None:
    await one.sees(secret, REFUSED)
    await make_due(one, two)
    assert await one.admits(secret)

    await make_due(two)

    assert await two.admits(secret)


async def test_a_probe_that_never_reached_the_peer_is_followed_by_another(
    secret: Secret, one: Site, two: Site
) -> None:
    await one.sees(secret, REFUSED)
    await make_due(one, two)
    assert await one.admits(secret)
    await one.sees(secret, OURS)
    await two.sharing.refresh()

    assert not await two.admits(secret)
    assert await one.admits(secret)


async def test_a_probe_that_cannot_be_claimed_is_tried_with_the_next_trigger(
    secret: Secret, one: Site
) -> None:
    await one.sees(secret, REFUSED)
    await make_due(one)
    one.door.away = True
    with pytest.raises(Unavailable):
        await one.sharing.admit(secret)

    one.door.away = False

    assert await one.admits(secret)


async def test_a_probe_that_fails_otherwise_leaves_the_credential_refused(
    secret: Secret, one: Site, two: Site
) -> None:
    await one.sees(secret, REFUSED)
    await make_due(one, two)
    assert await one.admits(secret)

    await one.sees(secret, DOWN, times=9)
    await two.sharing.refresh()

    assert (
        one.breaker.circuits.paused()
        == two.breaker.circuits.paused()
        == {PauseKind.REFUSED: 1}
    )


# A peer that one worker cannot reach


async def test_a_peer_that_cannot_be_reached_pauses_one_worker_alone(
    secret: Secret, one: Site, two: Site, house: House
) -> None:
    await one.sees(secret, DOWN, times=5)
    await two.sharing.refresh()

    assert await two.admits(secret)
    assert not await one.admits(secret)
    (record,) = await seen(house)
    assert (record.worker, record.reason) == ("north:1", "connection refused")
    assert record.kind is PauseKind.UNREACHABLE


async def test_each_worker_that_cannot_reach_it_is_named(
    secret: Secret, one: Site, two: Site, house: House
) -> None:
    await one.sees(secret, DOWN, times=5)
    await two.sees(secret, DOWN, times=5)
    assert {each.worker for each in await seen(house)} == {"north:1", "south:2"}

    await one.sees(secret, TAKEN)

    assert [each.worker for each in await seen(house)] == ["south:2"]
    assert not await two.admits(secret)


async def test_a_refused_credential_counts_more_than_an_unreachable_peer(
    secret: Secret, one: Site, two: Site, house: House
) -> None:
    await two.sees(secret, DOWN, times=5)

    await one.sees(secret, REFUSED)
    await two.sharing.refresh()
    await two.sharing.refresh()

    assert [each.kind for each in await seen(house)] == [PauseKind.REFUSED]
    assert two.breaker.circuits.paused() == {PauseKind.REFUSED: 1}


async def test_a_worker_that_stops_takes_back_what_it_cannot_reach(
    secret: Secret, two: Site, sharing: asyncio.Event, house: House
) -> None:
    two.observe(secret, DOWN, times=5)
    await two.clock.until_asleep(SECOND)
    two.clock.advance(SECOND)
    await two.door.told.wait()
    assert [each.worker for each in await seen(house)] == ["south:2"]

    two.door.told.clear()
    sharing.set()
    await two.door.told.wait()

    assert await seen(house) == []


async def test_what_a_dead_worker_could_not_reach_is_seen_no_more(
    secret: Secret, one: Site, two: Site, house: House
) -> None:
    await one.sees(secret, DOWN, times=5)

    await house.break_in("UPDATE pauses SET kept_until = since")

    assert await seen(house) == []
    await two.sees(a_secret(version=9), DOWN, times=5)
    assert await house.look("SELECT worker FROM pauses") == []


async def test_a_worker_that_lives_says_again_what_it_cannot_reach(
    secret: Secret, one: Site, house: House
) -> None:
    await one.sees(secret, DOWN, times=5)
    await house.break_in("UPDATE pauses SET kept_until = since")

    await one.sharing.refresh()
    assert await seen(house) == []
    house.clock.advance(10 * SECOND)
    await one.sharing.refresh()

    assert [each.worker for each in await seen(house)] == ["north:1"]


# Rows that no worker wrote


async def test_a_row_written_by_hand_holds_back_and_releases_nothing(
    secret: Secret, one: Site, house: House
) -> None:
    await house.break_in(
        "INSERT INTO pauses"  # noqa: S608 - an id of ours
        " SELECT id, '', 'x', version, 'by hand', created_at, 2000000000, created_at,"
        f" NULL, NULL FROM secrets WHERE id = '{secret.id}'"
    )
    await one.sharing.refresh()
    assert one.breaker.circuits.paused() == {PauseKind.REFUSED: 1}

    assert await one.admits(secret), "the probe"
    await one.sees(secret, TAKEN)

    assert await seen(house) == []
    assert await one.admits(secret)


@on_sqlite
@pytest.mark.parametrize(
    "column", ["reason = x'ff'", "length = 'long'", "probe_at = 'soon'"]
)
async def test_a_row_that_cannot_be_read_pauses_nothing(
    secret: Secret, one: Site, two: Site, house: House, column: str
) -> None:
    await one.sees(secret, REFUSED)
    await house.break_in(f"UPDATE pauses SET {column}")  # noqa: S608 - of this test

    await two.sharing.refresh()

    assert await two.admits(secret)
    await seen(house)


async def test_a_clock_that_was_ahead_makes_no_pause_longer(
    secret: Secret, one: Site, two: Site, house: House
) -> None:
    await one.sees(secret, REFUSED)
    await house.break_in("UPDATE pauses SET probe_at = '2099-01-01 00:00:00+00:00'")
    await two.sharing.refresh()

    assert await two.admits(secret)
    assert not await two.admits(secret)


async def test_a_worker_that_cannot_withdraw_its_pauses_ends_all_the_same(
    secret: Secret, one: Site, caplog: pytest.LogCaptureFixture
) -> None:
    await one.sees(secret, DOWN, 5)
    one.door.away = True
    stop = asyncio.Event()
    stop.set()

    await one.sharing.share(stop)

    assert "pauses not withdrawn" in [each.message for each in caplog.records]


async def test_a_refusal_of_a_replaced_version_is_told_to_nobody(
    secret: Secret, one: Site
) -> None:
    one.observe(secret, REFUSED)
    one.breaker.circuits.replaced(replace(secret, version=secret.version + 1))

    await one.sharing.refresh()

    assert await one.door.refused() == []


async def test_a_pause_of_an_older_version_is_not_obeyed(
    secret: Secret, one: Site
) -> None:
    await one.sees(secret, REFUSED)
    (shared,) = await one.door.refused()
    newer = replace(secret, version=secret.version + 1)
    one.observe(newer, TAKEN)

    one.breaker.circuits.obey(shared)

    assert one.breaker.admit(newer) is None


async def test_a_probe_that_begins_while_pauses_are_read_is_the_only_one(
    secret: Secret, one: Site
) -> None:
    await one.sees(secret, REFUSED)
    await make_due(one)
    reading, go_on = await one.begin_to_read()
    first = asyncio.create_task(one.admits(secret))
    await settled()

    go_on.set()
    await reading
    second = await one.admits(secret)

    assert [await first, second].count(True) == 1


async def test_what_waits_while_the_end_of_a_pause_is_read_goes(
    secret: Secret, one: Site, two: Site
) -> None:
    await one.sees(secret, REFUSED)
    await two.door.end_refused(secret.id, secret.version)
    reading, go_on = await one.begin_to_read()
    waiting = asyncio.create_task(one.admits(secret))
    await settled()

    go_on.set()
    await reading

    assert await waiting
