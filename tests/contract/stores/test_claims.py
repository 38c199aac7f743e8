"""The promises of claiming.Claims: one suite over the fake and both databases."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from shutil import copytree

import pytest

from keyrelay.model.backlog import NO_WAIT, TriggerState, TriggerWait
from keyrelay.model.claim import Arrival, Busy, ClaimStatus, Go, Known
from keyrelay.model.ids import Beginnings
from tests.contract.queues import trigger
from tests.contract.stores.claims import (
    FIRST,
    LEASE,
    Claims,
    DatabaseOffice,
    MemoryOffice,
    Office,
    ending,
    known,
    settle,
)
from tests.contract.stores.ground import in_a_file, on_a_server
from tests.samples import NOON, OTHER_PROFILE, PROFILE, published_by

pytestmark = pytest.mark.timeout(60)

GO = Go(number=1, cut=False, done=frozenset())
PARTS = frozenset({"ada@example.com", 'bob "the builder"@example.com', "é\u2028\0"})
# Tried twice, of which one was cut, and put back with parts done.
AGAIN = replace(FIRST, sequence=1, attempts=2, cut=True, done=PARTS)
REDRIVEN = replace(FIRST, generation=1)


def arrivals(count: int) -> list[Arrival]:
    return [replace(FIRST, id=f"t{number}") for number in range(count)]


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    if request.param == "memory":
        yield MemoryOffice()
    elif request.param == "sqlite":
        migrated = request.getfixturevalue("migrated")
        ground = in_a_file(copytree(migrated, tmp_path / "house"))
        yield DatabaseOffice(ground=ground)
    else:
        server = request.getfixturevalue("postgresql")
        template = request.getfixturevalue("template")
        with on_a_server(server, template, tmp_path) as ground:
            yield DatabaseOffice(ground=ground)


@pytest.fixture
async def others(office: Office, claims: Claims) -> AsyncIterator[Claims]:
    """Those of another worker."""
    async with office.open() as others:
        yield others


async def test_an_unclaimed_trigger_goes_ahead(claims: Claims) -> None:
    assert await claims.claim([FIRST]) == [GO]


async def test_nothing_is_claimed_twice(claims: Claims, others: Claims) -> None:
    await claims.claim([FIRST])

    assert await claims.claim([FIRST]) == [Busy()]
    assert await others.claim([FIRST]) == [Busy()]


async def test_of_two_records_that_arrive_together_one_goes_ahead(
    claims: Claims,
) -> None:
    assert await claims.claim([FIRST, FIRST]) == [GO, Busy()]


async def test_of_two_workers_at_once_one_claims_each(
    claims: Claims, others: Claims
) -> None:
    some = arrivals(200)

    ours, theirs = await asyncio.gather(
        claims.claim(some), others.claim([*reversed(some)])
    )

    pairs = [*zip(ours, reversed(theirs), strict=True)]
    assert all(pair in [(GO, Busy()), (Busy(), GO)] for pair in pairs)


@pytest.mark.parametrize("status", [ClaimStatus.DONE, ClaimStatus.BURIED])
async def test_what_was_settled_is_known_to_all(
    claims: Claims, others: Claims, status: ClaimStatus
) -> None:
    await settle(claims, FIRST, status)

    assert await claims.claim([FIRST]) == [Known()]
    assert await others.claim([AGAIN]) == [Known()]


async def test_what_was_redriven_begins_anew(claims: Claims, others: Claims) -> None:
    await settle(claims, AGAIN, ClaimStatus.BURIED)

    assert await others.claim([REDRIVEN]) == [GO]
    assert await claims.claim([AGAIN]) == [Known()]


async def test_what_was_put_back_goes_on_where_it_was_left(
    claims: Claims, others: Claims
) -> None:
    await claims.claim([FIRST])
    await claims.end([ending(FIRST, ClaimStatus.PARKED, AGAIN)])

    assert await others.claim([FIRST]) == [Known()]
    assert await others.claim([AGAIN]) == [Go(number=3, cut=True, done=PARTS)]


async def test_what_was_given_back_unattempted_is_as_it_was(
    claims: Claims, others: Claims
) -> None:
    await claims.claim([AGAIN])
    await claims.end([ending(AGAIN, ClaimStatus.PARKED)])

    assert await others.claim([AGAIN]) == [Go(number=3, cut=True, done=PARTS)]


async def test_a_claim_of_a_dead_worker_goes_ahead_marked_as_cut(
    office: Office, claims: Claims
) -> None:
    async with office.open(stalled=True) as dead:
        await dead.claim([AGAIN])

        await office.pass_time(2 * LEASE)

        assert await claims.claim([AGAIN]) == [Go(number=4, cut=True, done=PARTS)]


async def test_a_claim_of_a_live_worker_is_left_to_it_however_long_it_takes(
    office: Office, claims: Claims, others: Claims
) -> None:
    await others.claim([FIRST])

    await office.pass_time(10 * LEASE)

    assert await claims.claim([FIRST]) == [Busy()]


async def test_a_claim_of_a_worker_that_signed_off_goes_ahead_at_once(
    office: Office, claims: Claims
) -> None:
    async with office.open() as gone:
        await gone.claim([FIRST])

    assert await claims.claim([FIRST]) == [Go(number=2, cut=True, done=frozenset())]


async def test_a_worker_that_was_taken_for_dead_changes_nothing_any_more(
    office: Office, claims: Claims
) -> None:
    async with office.open(stalled=True) as dead:
        await dead.claim([FIRST])
        await office.pass_time(2 * LEASE)
        await claims.claim([FIRST])

        assert await dead.end([ending(FIRST, ClaimStatus.DONE)]) == [False]

    assert (await known(claims)).status is ClaimStatus.CLAIMED
    assert await claims.end([ending(FIRST, ClaimStatus.DONE)]) == [True]


async def test_a_claim_ends_once(claims: Claims) -> None:
    await claims.claim([FIRST])
    await claims.end([ending(FIRST, ClaimStatus.DONE)])

    assert await claims.end([ending(FIRST, ClaimStatus.BURIED)]) == [False]
    assert (await known(claims)).status is ClaimStatus.DONE


@pytest.mark.parametrize(
    ("status", "later"),
    [(ClaimStatus.PARKED, AGAIN), (ClaimStatus.BURIED, REDRIVEN)],
    ids=["put back", "redriven"],
)
async def test_the_end_of_an_earlier_claim_is_not_that_of_a_later_one(
    claims: Claims, status: ClaimStatus, later: Arrival
) -> None:
    await claims.claim([FIRST])
    await claims.end([ending(FIRST, status)])
    await claims.claim([later])

    assert await claims.end([ending(FIRST, ClaimStatus.DONE)]) == [False]
    assert (await known(claims)).status is ClaimStatus.CLAIMED


async def test_a_batch_is_judged_one_by_one(
    office: Office, claims: Claims, others: Claims
) -> None:
    new, done, busy, waiting, cut = arrivals(5)
    async with office.open() as gone:
        await gone.claim([cut])
        await settle(gone, done)
    await others.claim([busy, waiting])
    await others.end(
        [ending(waiting, ClaimStatus.PARKED, replace(waiting, sequence=1))]
    )

    verdicts = await claims.claim([waiting, cut, busy, done, new])

    went_on = Go(number=2, cut=True, done=frozenset())
    assert verdicts == [Known(), went_on, Busy(), Known(), GO]


async def test_claims_end_one_by_one(claims: Claims, others: Claims) -> None:
    ours, theirs, nobodys = arrivals(3)
    await claims.claim([ours])
    await others.claim([theirs])

    all_three = [ending(each, ClaimStatus.DONE) for each in (nobodys, theirs, ours)]

    assert await claims.end(all_three) == [False, False, True]


async def test_many_are_claimed_and_ended_together(claims: Claims) -> None:
    some = arrivals(500)

    assert await claims.claim(some) == [GO] * 500
    assert (
        await claims.end([ending(each, ClaimStatus.DONE) for each in some])
        == [True] * 500
    )
    assert await claims.claim(some) == [Known()] * 500


async def test_nothing_is_no_work(claims: Claims) -> None:
    assert await claims.claim([]) == []
    assert await claims.end([]) == []


async def test_claims_do_not_cross_profiles(claims: Claims, others: Claims) -> None:
    elsewhere = replace(FIRST, profile=OTHER_PROFILE)
    await settle(claims, FIRST)

    assert await claims.state(OTHER_PROFILE, "t1") is None
    assert await claims.claim([elsewhere]) == [GO]
    assert await others.claim([elsewhere, FIRST]) == [Busy(), Known()]
    assert await others.claim([FIRST]) == [Known()]
    assert await claims.end([ending(elsewhere, ClaimStatus.BURIED)]) == [True]
    assert (await known(claims)).status is ClaimStatus.DONE


async def test_what_stands_written_is_seen(claims: Claims, others: Claims) -> None:
    await claims.claim([AGAIN])

    state = await known(others)

    counted = replace(AGAIN, attempts=3)
    assert (state.arrival, state.status) == (counted, ClaimStatus.CLAIMED)
    assert await others.state(FIRST.profile, "t2") is None


async def test_people_see_where_a_trigger_stands_and_since_when(
    office: Office, claims: Claims, others: Claims
) -> None:
    seen: list[tuple[TriggerState, int]] = []

    async def look() -> None:
        status = await others.status(FIRST.profile, FIRST.id)
        assert status is not None
        seen.append((status.state, status.attempts))
        assert status.accepted_at == NOON
        settled = status.state is TriggerState.DONE
        assert status.settled_at == (NOON + LEASE if settled else None)

    await claims.claim([FIRST])
    await look()
    await claims.end([ending(FIRST, ClaimStatus.PARKED, AGAIN)])
    await look()
    await office.pass_time(LEASE)
    await settle(claims, AGAIN)
    await look()

    assert seen == [
        (TriggerState.LEASED, 1),
        (TriggerState.RETRYING, 2),
        (TriggerState.DONE, 2),
    ]
    assert await others.status(FIRST.profile, "t2") is None


async def test_people_see_why_a_parked_trigger_waits_until_it_is_claimed_again(
    claims: Claims, others: Claims
) -> None:
    wait = TriggerWait(reason="secret office is paused: 535 no", secret="5" * 24)
    seen = []

    await claims.claim([FIRST])
    parked = replace(ending(FIRST, ClaimStatus.PARKED, AGAIN), wait=wait)
    await claims.end([parked])
    seen.append(await others.status(FIRST.profile, FIRST.id))
    await claims.claim([AGAIN])
    seen.append(await others.status(FIRST.profile, FIRST.id))
    await claims.end([ending(AGAIN, ClaimStatus.DONE)])
    seen.append(await others.status(FIRST.profile, FIRST.id))

    assert [each and each.wait for each in seen] == [wait, NO_WAIT, NO_WAIT]


@pytest.mark.parametrize("words", ["a\0b", "line\nline", "\ud800", "x" * 9000])
async def test_a_reason_of_any_words_is_kept(claims: Claims, words: str) -> None:
    await claims.claim([FIRST])
    parked = replace(
        ending(FIRST, ClaimStatus.PARKED, AGAIN), wait=TriggerWait(reason=words)
    )

    assert await claims.end([parked]) == [True]


async def test_a_redriven_trigger_begins_when_it_is_claimed_anew(
    office: Office, claims: Claims
) -> None:
    await settle(claims, FIRST, ClaimStatus.BURIED)
    await office.pass_time(LEASE)
    await claims.claim([REDRIVEN])

    status = await claims.status(FIRST.profile, FIRST.id)

    assert status is not None
    assert (status.accepted_at, status.settled_at) == (NOON + LEASE, None)


async def test_people_see_that_a_trigger_was_buried(claims: Claims) -> None:
    await settle(claims, FIRST, ClaimStatus.BURIED)

    status = await claims.status(FIRST.profile, FIRST.id)

    assert status is not None
    assert (status.state, status.settled_at) == (TriggerState.BURIED, NOON)


async def test_ids_are_known_by_which_anything_was_claimed(
    office: Office, claims: Claims, others: Claims
) -> None:
    await office.add_profile(PROFILE)
    await claims.claim([FIRST])
    await settle(others, replace(FIRST, id="t2"))

    assert await claims.known(["t1", "t2", "t3"]) == {"t1", "t2"}
    assert await others.known(["t1"]) == {"t1"}
    assert await claims.known(["T1", "t\0"]) == frozenset()
    assert await claims.known([f"t{number}" for number in range(500)]) == {"t1", "t2"}


async def test_ids_of_claims_are_found_by_their_beginning(
    office: Office, claims: Claims
) -> None:
    await office.add_profile(PROFILE)
    for id_ in ("door-2", "door-1", "Door-3", "floor"):
        await claims.claim([replace(FIRST, id=id_)])

    async def found(profile: str, *texts: str, most: int = 9) -> Sequence[str]:
        return await claims.beginning(profile, Beginnings(texts, most))

    assert await found(PROFILE, "door") == ["door-1", "door-2"]
    assert await found(PROFILE, "door-2", "floo") == ["door-2", "floor"]
    assert await found(PROFILE, "door", most=1) == ["door-1"]
    assert await found(OTHER_PROFILE, "door") == []


# What is asked just before the peer can act


async def test_a_stopped_worker_still_holds_what_no_other_has_taken(
    office: Office, claims: Claims
) -> None:
    async with office.open(stalled=True) as stopped:
        await stopped.claim([FIRST])
        assert await stopped.still_held(FIRST, NOON)

        await office.pass_time(2 * LEASE)

        assert await stopped.still_held(FIRST, NOON)
        assert await stopped.still_held(FIRST, NOON)


async def test_a_stopped_worker_does_not_hold_what_another_has_taken(
    office: Office, claims: Claims
) -> None:
    async with office.open(stalled=True) as stopped:
        await stopped.claim([FIRST])
        await office.pass_time(2 * LEASE)

        await claims.claim([FIRST])

        # A heartbeat since then says nothing of what was claimed before.
        assert not await stopped.still_held(FIRST, NOON)
        assert not await stopped.still_held(FIRST, NOON)


async def test_a_trigger_is_claimed_at_the_same_time_however_often(
    office: Office, claims: Claims
) -> None:
    async with office.open(stalled=True) as dead:
        first = await claimed_at(dead, FIRST)
        await office.pass_time(2 * LEASE)
        again = await claimed_at(claims, FIRST)
    await claims.end([ending(FIRST, ClaimStatus.BURIED)])
    await office.pass_time(LEASE)

    redriven = await claimed_at(claims, REDRIVEN)
    await claims.end([ending(REDRIVEN, ClaimStatus.PARKED)])
    await office.pass_time(LEASE)

    assert await claimed_at(claims, REDRIVEN) == redriven
    assert first == again < redriven


async def claimed_at(claims: Claims, arrival: Arrival) -> datetime:
    (judged,) = await claims.claim([arrival])
    assert isinstance(judged, Go)
    assert judged.claimed_at is not None
    return judged.claimed_at


# Accepted


async def test_what_was_accepted_is_known_before_any_worker_has_read_it(
    claims: Claims, others: Claims
) -> None:
    theirs = trigger(profile=OTHER_PROFILE)
    await claims.accept([trigger()])

    assert await others.are_new([trigger(), trigger("t2"), theirs]) == [
        False,
        True,
        True,
    ]
    status = await others.status(PROFILE, "t1")
    assert status is not None
    assert (status.state, status.attempts) == (TriggerState.WAITING, 0)
    assert (status.accepted_at, status.settled_at) == (NOON, None)


async def test_the_record_of_an_accepted_trigger_is_claimed_once(
    office: Office, claims: Claims, others: Claims
) -> None:
    await claims.accept([trigger(), trigger("t2")])
    await office.pass_time(LEASE)

    both = [FIRST, replace(FIRST, id="t2")]
    judged = [await claims.claim(both), await others.claim(both)]

    assert judged == [[GO, GO], [Busy(), Busy()]]
    (go, _) = judged[0]
    assert isinstance(go, Go)
    assert go.claimed_at == NOON
    await settle(claims, FIRST)
    assert await others.claim([FIRST]) == [Known()]


async def test_of_two_workers_at_once_one_claims_each_accepted_trigger(
    claims: Claims, others: Claims
) -> None:
    some = arrivals(200)
    await claims.accept([trigger(each.id) for each in some])

    ours, theirs = await asyncio.gather(claims.claim(some), others.claim(some))

    assert all({GO, Busy()} >= {*pair} for pair in zip(ours, theirs, strict=True))
    assert [*ours, *theirs].count(GO) == len(some)


async def test_a_later_record_of_an_accepted_trigger_is_judged_as_such(
    claims: Claims,
) -> None:
    await claims.accept([trigger()])

    assert await claims.claim([AGAIN]) == [Go(number=3, cut=True, done=PARTS)]
    assert await claims.claim([FIRST]) != [GO]


async def test_a_publisher_is_noted_once_though_a_worker_was_faster_to_read(
    claims: Claims, others: Claims
) -> None:
    one, other = "a" * 24, "b" * 24
    await claims.claim([FIRST])
    await settle(claims, FIRST)

    await others.accept([published_by(one, trigger()), trigger("t2")])
    await others.accept([published_by(other, trigger()), trigger("t2")])
    await others.accept([trigger()])

    publishers = [await claims.publisher(PROFILE, id_) for id_ in ("t1", "t2", "t3")]
    assert publishers == [one, None, None]
    assert await claims.publisher(OTHER_PROFILE, "t1") is None
    assert (await known(claims)).status is ClaimStatus.DONE


async def test_what_a_worker_was_faster_to_read_stays_as_it_is(claims: Claims) -> None:
    await claims.claim([FIRST, replace(FIRST, id="t2")])
    await settle(claims, FIRST)

    await claims.accept([trigger(), trigger("t2")])

    assert (await known(claims)).status is ClaimStatus.DONE
