"""What people hold and cancel of a log: claims that every worker obeys."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Select

from keyrelay.model.audit import AttemptIdentity, AttemptRecord, Change, Report
from keyrelay.model.backlog import Period, QueueQuery, TriggerState
from keyrelay.model.claim import Busy, ClaimStatus, Go, Known, Withheld
from keyrelay.model.intervention import Act, ActEffect
from keyrelay.model.outcome import Deferred
from keyrelay.model.settlement import TryAgain
from keyrelay.stores.claims import interventions, statements
from keyrelay.stores.claims.claims import ClaimOptions, ClaimStore
from keyrelay.stores.claims.interventions import ClaimInterventions
from tests.contract.queues import SECOND, letter, trigger
from tests.contract.stores.claims import (
    FIRST,
    LEASE,
    DatabaseOffice,
    ending,
    known,
    settle,
)
from tests.contract.stores.ground import Ground
from tests.contract.stores.house import ADA, House
from tests.samples import MAIL_ACTION, MAIL_SECRET, NOON, OTHER_PROFILE, PROFILE

pytestmark = pytest.mark.timeout(30)

AGAIN = replace(FIRST, sequence=1, attempts=1)
REDRIVEN = replace(FIRST, generation=1)
WINDOW = timedelta(minutes=5)


@pytest.fixture
def office(ground: Ground) -> DatabaseOffice:
    terms = ClaimOptions(lease=LEASE, window=WINDOW)
    return DatabaseOffice(ground=ground, terms=terms)


async def act(people: ClaimInterventions, act: Act, *ids: str) -> list[ActEffect]:
    said = await people.intervene(act, PROFILE, ids or ("t1",), "")
    return [each.effect for each in said]


async def cancel(people: ClaimInterventions) -> None:
    assert await act(people, Act.CANCEL) == [ActEffect.APPLIED]
    await people.conclude(PROFILE, ["t1"])


async def listed(
    people: ClaimInterventions, query: QueueQuery | None = None
) -> Sequence[str]:
    query = query or QueueQuery()
    return [entry.id async for entry in people.entries(PROFILE, query)]


# Before any worker has read it


async def test_what_was_not_read_yet_is_held_when_it_comes(
    claims: ClaimStore, people: ClaimInterventions
) -> None:
    assert await act(people, Act.HOLD) == [ActEffect.APPLIED]

    assert await claims.claim([FIRST]) == [Withheld()]
    assert await act(people, Act.HOLD) == [ActEffect.ALREADY]
    assert await act(people, Act.RELEASE) == [ActEffect.APPLIED]
    assert await claims.claim([FIRST]) == [Go(number=1, cut=False, done=frozenset())]


async def test_what_was_not_read_yet_is_cancelled_when_it_comes(
    claims: ClaimStore, people: ClaimInterventions
) -> None:
    await cancel(people)

    assert await claims.claim([FIRST]) == [Known()]
    assert await act(people, Act.CANCEL) == [ActEffect.ALREADY]


async def test_between_a_cancellation_and_its_end_it_is_withheld(
    claims: ClaimStore, people: ClaimInterventions
) -> None:
    await act(people, Act.CANCEL)

    assert await claims.claim([FIRST]) == [Withheld()]


@pytest.mark.parametrize("asked", [Act.HOLD, Act.CANCEL])
async def test_what_was_asked_for_is_not_forgotten_before_its_record_has_come(
    office: DatabaseOffice,
    claims: ClaimStore,
    people: ClaimInterventions,
    asked: Act,
) -> None:
    await act(people, asked)
    await people.conclude(PROFILE, ["t1"])

    await office.pass_time(2 * WINDOW)

    expected = Withheld() if asked is Act.HOLD else Known()
    assert await claims.claim([FIRST]) == [expected]


async def test_a_cancellation_that_was_obeyed_is_forgotten_in_time(
    office: DatabaseOffice, claims: ClaimStore, people: ClaimInterventions
) -> None:
    await cancel(people)
    await claims.claim([FIRST])

    await office.pass_time(WINDOW + LEASE * 10)

    assert await claims.state(PROFILE, "t1") is None


async def test_a_claim_and_a_cancellation_at_once_are_not_both_done(
    claims: ClaimStore, people: ClaimInterventions
) -> None:
    ids = [f"t{number}" for number in range(100)]
    arrivals = [replace(FIRST, id=id_) for id_ in ids]

    claimed, cancelled = await asyncio.gather(
        claims.claim(arrivals), act(people, Act.CANCEL, *reversed(ids))
    )

    for verdict, effect in zip(claimed, reversed(cancelled), strict=True):
        if isinstance(verdict, Go):
            assert effect is ActEffect.TOO_LATE
        else:
            assert isinstance(verdict, Withheld | Busy)
            assert effect is ActEffect.APPLIED


# Once a worker has read it


@pytest.mark.parametrize("asked", [Act.HOLD, Act.CANCEL])
async def test_what_is_in_flight_is_left_alone(
    claims: ClaimStore, people: ClaimInterventions, asked: Act
) -> None:
    await claims.claim([FIRST])

    assert await act(people, asked) == [ActEffect.TOO_LATE]
    assert await claims.end([ending(FIRST, ClaimStatus.DONE)]) == [True]
    assert await act(people, asked) == [ActEffect.TOO_LATE]


async def test_what_waits_for_another_attempt_is_held_with_all_that_is_known_of_it(
    claims: ClaimStore, people: ClaimInterventions
) -> None:
    await claims.claim([FIRST])
    await claims.end([ending(FIRST, ClaimStatus.PARKED, AGAIN)])

    await act(people, Act.HOLD)
    assert await claims.claim([FIRST]) == [Known()]
    assert await claims.claim([AGAIN]) == [Withheld()]
    await act(people, Act.RELEASE)

    assert await claims.claim([AGAIN]) == [Go(number=2, cut=False, done=frozenset())]


async def test_what_a_dead_worker_has_claimed_is_held_as_cut(
    office: DatabaseOffice, claims: ClaimStore, people: ClaimInterventions
) -> None:
    async with office.open() as dead:
        await dead.claim([FIRST])

    assert await act(people, Act.HOLD) == [ActEffect.APPLIED]
    await act(people, Act.RELEASE)

    assert await claims.claim([FIRST]) == [Go(number=2, cut=True, done=frozenset())]


async def test_a_dead_letter_is_not_cancelled_even_if_its_claim_is_forgotten(
    house: House, claims: ClaimStore, people: ClaimInterventions
) -> None:
    await house.dead_letters.keep([letter(trigger())])
    assert await act(people, Act.CANCEL) == [ActEffect.TOO_LATE]

    await settle(claims, FIRST, ClaimStatus.BURIED)
    assert await act(people, Act.CANCEL) == [ActEffect.TOO_LATE]


async def test_what_was_redriven_and_not_read_since_is_held(
    claims: ClaimStore, people: ClaimInterventions
) -> None:
    await settle(claims, FIRST, ClaimStatus.BURIED)

    assert await act(people, Act.HOLD) == [ActEffect.APPLIED]

    assert await claims.claim([FIRST]) == [Known()]
    assert await claims.claim([REDRIVEN]) == [Withheld()]
    await act(people, Act.RELEASE)
    assert await claims.claim([REDRIVEN]) == [Go(number=1, cut=False, done=frozenset())]


async def test_a_log_hurries_nothing_and_releases_only_what_is_known(
    people: ClaimInterventions,
) -> None:
    assert await act(people, Act.RETRY) == [ActEffect.UNSUPPORTED]
    assert await act(people, Act.RELEASE) == [ActEffect.UNKNOWN]


async def test_another_profiles_triggers_are_not_touched(
    claims: ClaimStore, people: ClaimInterventions
) -> None:
    theirs = replace(FIRST, profile=OTHER_PROFILE)
    await act(people, Act.HOLD)

    assert isinstance((await claims.claim([theirs]))[0], Go)
    await people.conclude(PROFILE, ["t1"])
    state = await claims.status(PROFILE, "t1")
    assert state is not None
    assert state.state is TriggerState.HELD
    assert await listed(people) == ["t1"]


# What was accepted, and no worker has read


async def test_what_was_accepted_is_held_and_released_before_it_is_read(
    claims: ClaimStore, people: ClaimInterventions
) -> None:
    await claims.accept([trigger()])

    assert await act(people, Act.HOLD) == [ActEffect.APPLIED]

    assert await claims.are_new([trigger()]) == [False]
    assert await claims.claim([FIRST]) == [Withheld()]
    assert await act(people, Act.RELEASE) == [ActEffect.APPLIED]
    assert await claims.claim([FIRST]) == [Go(number=1, cut=False, done=frozenset())]


async def test_what_was_accepted_and_cancelled_is_not_attempted(
    claims: ClaimStore, people: ClaimInterventions
) -> None:
    await claims.accept([trigger()])

    await cancel(people)

    assert await claims.claim([FIRST]) == [Known()]
    assert await listed(people) == []
    assert await people.count_unsettled(PROFILE, 9) == 0


async def test_what_was_accepted_is_due_already(
    claims: ClaimStore, people: ClaimInterventions
) -> None:
    await claims.accept([trigger()])
    await claims.claim([replace(FIRST, id="t2")])

    effects = await act(people, Act.RETRY, "t1", "t2", "t3")

    assert effects == [
        ActEffect.ALREADY,
        ActEffect.UNSUPPORTED,
        ActEffect.UNSUPPORTED,
    ]


async def test_what_was_accepted_is_listed_with_its_action(
    claims: ClaimStore, people: ClaimInterventions
) -> None:
    await claims.accept([trigger(), trigger("t2", action="d" * 24)])

    query = QueueQuery(state=TriggerState.WAITING, action=MAIL_ACTION)
    (entry,) = [each async for each in people.entries(PROFILE, query)]

    assert (entry.id, entry.action) == ("t1", MAIL_ACTION)
    assert entry.status.wait.reason == "no worker has read it from Kafka yet"


@pytest.mark.parametrize("given", [Act.HOLD, Act.CANCEL])
async def test_what_a_person_holds_ahead_may_still_be_published(
    claims: ClaimStore, people: ClaimInterventions, given: Act
) -> None:
    await act(people, given)

    assert await claims.are_new([trigger()]) == [True]
    await claims.accept([trigger()])
    assert await claims.claim([FIRST]) == [Withheld()]


# Lists


async def test_a_list_has_what_is_claimed_and_not_settled(
    claims: ClaimStore, people: ClaimInterventions
) -> None:
    for id_ in ("done", "leased"):
        await claims.claim([replace(FIRST, id=id_)])
    await claims.end([ending(replace(FIRST, id="done"), ClaimStatus.DONE)])
    await act(people, Act.HOLD, "held")

    assert await listed(people) == ["held", "leased"]
    assert await listed(people, QueueQuery(state=TriggerState.HELD)) == ["held"]


async def test_a_list_tells_action_reason_and_secret_by_the_last_record(
    house: House, claims: ClaimStore, people: ClaimInterventions
) -> None:
    await claims.claim([FIRST])
    await house.audit_log.keep_records([_attempt()])
    await claims.end([ending(FIRST, ClaimStatus.PARKED, AGAIN)])

    (entry,) = [each async for each in people.entries(PROFILE, QueueQuery())]

    assert (entry.action, entry.status.state) == (MAIL_ACTION, TriggerState.RETRYING)
    assert entry.status.wait.reason == "535 no"
    assert entry.status.wait.secret == MAIL_SECRET
    assert await listed(people, QueueQuery(secret=MAIL_SECRET)) == ["t1"]
    assert await listed(people, QueueQuery(reason="535 NO")) == ["t1"]
    assert await listed(people, QueueQuery(action=MAIL_ACTION)) == ["t1"]
    assert await listed(people, QueueQuery(action="0" * 24)) == []


async def test_a_list_goes_on_after_a_place_whatever_became_of_what_stood_there(
    claims: ClaimStore, people: ClaimInterventions
) -> None:
    await act(people, Act.HOLD, "t1", "t2", "t3")
    first = await anext(aiter(people.entries(PROFILE, QueueQuery())))

    await act(people, Act.CANCEL, "t1")
    await people.conclude(PROFILE, ["t1"])
    after = people.entries(PROFILE, QueueQuery(), first.place)

    assert [entry.id async for entry in after] == ["t2", "t3"]


async def test_what_is_held_is_counted_in_all_profiles(
    claims: ClaimStore, people: ClaimInterventions
) -> None:
    await act(people, Act.HOLD, "t1", "t2", "t3")
    await act(people, Act.RELEASE, "t2")
    await act(people, Act.CANCEL, "t3")

    assert await people.count_held() == 1


async def test_what_is_not_settled_is_counted_up_to_a_limit(
    claims: ClaimStore, people: ClaimInterventions
) -> None:
    await act(people, Act.HOLD, "t1", "t2", "t3")
    await claims.claim([replace(FIRST, id="t4")])
    await claims.end([ending(replace(FIRST, id="t4"), ClaimStatus.DONE)])

    assert await people.count_unsettled(PROFILE, 9) == 3
    assert await people.count_unsettled(PROFILE, 2) == 2
    assert await people.count_unsettled(OTHER_PROFILE, 9) == 0


async def test_a_list_can_be_of_what_was_claimed_in_a_period(
    claims: ClaimStore, people: ClaimInterventions
) -> None:
    await claims.claim([FIRST])
    (entry,) = [each async for each in people.entries(PROFILE, QueueQuery())]
    at = entry.status.accepted_at
    assert at is not None

    assert await listed(people, QueueQuery(accepted=Period(since=at))) == ["t1"]
    assert await listed(people, QueueQuery(accepted=Period(until=at))) == []


async def test_a_list_tells_whoever_holds_it(
    house: House, people: ClaimInterventions
) -> None:
    await act(people, Act.HOLD)
    async with house.journal.writing(PROFILE, ADA) as writing:
        writing.record("trigger", "t1", Change.HELD, "")

    (entry,) = [each async for each in people.entries(PROFILE, QueueQuery())]

    assert entry.status.wait.reason == f"held by {ADA}"


def _attempt() -> AttemptRecord:
    outcome = Deferred(
        "535 no", not_before=LEASE, spends_attempt=True, waits_for=MAIL_SECRET
    )
    return AttemptRecord(
        id="9" * 24,
        attempt=AttemptIdentity(
            profile=PROFILE,
            trigger="t1",
            action=MAIL_ACTION,
            number=1,
            repeats=False,
            started_at=NOON,
        ),
        report=Report(outcome=outcome),
        settlement=TryAgain(after=SECOND),
        at=NOON,
    )


async def test_known_claims_are_of_the_state_that_people_see(
    claims: ClaimStore, people: ClaimInterventions
) -> None:
    await act(people, Act.HOLD)

    assert (await known(claims)).status is ClaimStatus.HELD


@pytest.mark.parametrize("asked", [statements.unsettled(), interventions.UNSETTLED])
async def test_lists_and_counts_read_no_settled_claim(
    house: House, asked: Select[tuple[object, ...]]
) -> None:
    asked = asked.params(profile=PROFILE, after="", most=9)
    async with house.database.transaction() as connection:
        said = asked.compile(
            dialect=connection.dialect, compile_kwargs={"literal_binds": True}
        )
        explain = "EXPLAIN QUERY PLAN"
        if house.database.is_shared:
            await connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            explain = "EXPLAIN"

        plan = await connection.exec_driver_sql(f"{explain} {said}")

        assert "ix_claims_unsettled" in str(plan.all())
