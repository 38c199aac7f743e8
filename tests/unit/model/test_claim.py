"""Claims: the table that says what a record that arrives is good for."""

from dataclasses import replace

import pytest

from keyrelay.model.claim import (
    SETTLED,
    Arrival,
    Busy,
    ClaimState,
    ClaimStatus,
    Go,
    Judgement,
    Known,
    Owner,
    Withheld,
    claimed,
    judge,
)
from keyrelay.model.recorded import CutLeases
from tests.samples import NOON, PROFILE

FIRST = Arrival(profile=PROFILE, id="t1")
# Tried twice, of which one was cut, and put back with one part done.
SECOND = replace(FIRST, sequence=1, attempts=2, cut=True, done=frozenset({"a"}))
# Buried and redriven.
REDRIVEN = replace(FIRST, generation=1, done=frozenset({"a"}))


def state(
    arrival: Arrival, status: ClaimStatus, owner: Owner = Owner.ALIVE
) -> ClaimState:
    return ClaimState(arrival=arrival, status=status, owner=owner, claimed_at=NOON)


def under_way(arrival: Arrival, owner: Owner) -> ClaimState:
    """The record as it is claimed for the first time."""
    counted = replace(arrival, attempts=arrival.attempts + 1)
    return state(counted, ClaimStatus.CLAIMED, owner)


def go(number: int, *done: str, cut: bool = False) -> Go:
    return Go(number=number, cut=cut, done=frozenset(done))


@pytest.mark.parametrize(
    ("arrival", "verdict"),
    [(FIRST, go(1)), (SECOND, go(3, "a", cut=True)), (REDRIVEN, go(1, "a"))],
    ids=["first", "put back", "redriven"],
)
def test_a_record_of_an_unknown_trigger_is_attempted_as_it_says(
    arrival: Arrival, verdict: Judgement
) -> None:
    assert judge(arrival, None) == verdict


@pytest.mark.parametrize("status", sorted(SETTLED))
@pytest.mark.parametrize("owner", Owner)
@pytest.mark.parametrize("arrival", [FIRST, SECOND], ids=["older", "later"])
def test_a_settled_trigger_is_known_to_every_record_of_its_generation(
    status: ClaimStatus, owner: Owner, arrival: Arrival
) -> None:
    assert judge(arrival, state(FIRST, status, owner)) == Known()
    assert judge(arrival, state(SECOND, status, owner)) == Known()
    assert judge(arrival, state(REDRIVEN, status, owner)) == Known()


@pytest.mark.parametrize("status", [ClaimStatus.DONE, ClaimStatus.BURIED])
def test_a_trigger_redriven_since_it_was_settled_begins_anew(
    status: ClaimStatus,
) -> None:
    assert judge(REDRIVEN, state(SECOND, status)) == go(1, "a")


@pytest.mark.parametrize("status", [ClaimStatus.CLAIMED, ClaimStatus.PARKED])
@pytest.mark.parametrize("owner", Owner)
@pytest.mark.parametrize(
    ("arrival", "known"),
    [(FIRST, SECOND), (SECOND, replace(SECOND, sequence=2)), (SECOND, REDRIVEN)],
    ids=["first", "put back", "of an earlier life"],
)
def test_an_older_record_is_passed_over(
    status: ClaimStatus, owner: Owner, arrival: Arrival, known: Arrival
) -> None:
    assert judge(arrival, state(known, status, owner)) == Known()


@pytest.mark.parametrize("arrival", [FIRST, SECOND, REDRIVEN])
def test_no_record_is_attempted_while_a_living_worker_attempts_its_trigger(
    arrival: Arrival,
) -> None:
    assert judge(arrival, under_way(FIRST, Owner.ALIVE)) == Busy()


@pytest.mark.parametrize("owner", Owner)
@pytest.mark.parametrize(
    ("arrival", "known", "verdict"),
    [
        (SECOND, SECOND, go(3, "a", cut=True)),
        # Given back before it was attempted.
        (FIRST, FIRST, go(1)),
        # Put back by a worker that was taken for dead: each record knows of a part.
        (
            replace(SECOND, attempts=1, cut=False, done=frozenset({"b"})),
            SECOND,
            go(3, "a", "b", cut=True),
        ),
        # What stands written is of before a backup was restored.
        (replace(SECOND, sequence=2, attempts=5), FIRST, go(6, "a", cut=True)),
        (REDRIVEN, replace(SECOND, cut=False), go(1, "a")),
    ],
    ids=["the same", "given back", "its twin", "later", "redriven"],
)
def test_a_parked_trigger_is_attempted_with_all_that_is_known_of_it(
    owner: Owner, arrival: Arrival, known: Arrival, verdict: Judgement
) -> None:
    assert judge(arrival, state(known, ClaimStatus.PARKED, owner)) == verdict


@pytest.mark.parametrize(
    ("arrival", "number"), [(FIRST, 2), (SECOND, 4)], ids=["first", "put back"]
)
def test_an_attempt_whose_owner_died_is_cut_and_counts(
    arrival: Arrival, number: int
) -> None:
    verdict = judge(arrival, under_way(arrival, Owner.DEAD))

    assert verdict == Go(number=number, cut=True, done=arrival.done)


def test_an_attempt_whose_worker_died_after_putting_it_back_was_not_cut() -> None:
    put_back = replace(FIRST, sequence=1, attempts=1, done=frozenset({"a"}))

    assert judge(put_back, under_way(FIRST, Owner.DEAD)) == go(2, "a")


def test_a_record_put_back_by_one_attempt_does_not_hide_that_another_was_cut() -> None:
    put_back = replace(FIRST, sequence=1, attempts=1, done=frozenset({"a"}))
    taken_over = replace(FIRST, attempts=2, cut=True)

    verdict = judge(put_back, state(taken_over, ClaimStatus.CLAIMED, Owner.DEAD))

    assert verdict == go(3, "a", cut=True)


def test_where_two_attempts_may_have_put_it_back_the_last_counts_as_cut() -> None:
    unspent = replace(FIRST, sequence=1)

    verdict = judge(unspent, under_way(FIRST, Owner.DEAD))

    assert verdict == go(2, cut=True)


@pytest.mark.parametrize("tried", [0, 1, 2, 3])
def test_a_new_generation_knows_that_the_last_attempt_before_it_was_cut(
    tried: int,
) -> None:
    redriven = replace(REDRIVEN, sequence=tried, attempts=tried)

    verdict = judge(redriven, under_way(FIRST, Owner.DEAD))

    assert verdict == go(tried + 1, "a", cut=True)


def test_a_second_copy_of_the_record_does_not_tell_how_its_attempt_ended() -> None:
    put_back = replace(FIRST, sequence=1, attempts=1)
    twin = replace(put_back, attempts=2)

    assert judge(twin, under_way(put_back, Owner.DEAD)) == go(3, cut=True)


@pytest.mark.parametrize("arrival", [FIRST, SECOND])
def test_a_claim_whose_reply_was_lost_keeps_its_attempt_number(
    arrival: Arrival,
) -> None:
    verdict = judge(arrival, under_way(arrival, Owner.OURS))

    assert verdict == judge(arrival, None)


def test_a_claim_whose_reply_was_lost_still_says_that_an_attempt_was_cut() -> None:
    taken_over = replace(FIRST, attempts=2, cut=True)

    verdict = judge(FIRST, state(taken_over, ClaimStatus.CLAIMED, Owner.OURS))

    assert verdict == go(2, cut=True)


def test_a_claim_is_written_with_the_number_of_its_attempt() -> None:
    assert claimed(SECOND, go(3, "a", "b", cut=True)) == replace(
        SECOND, attempts=3, done=frozenset({"a", "b"})
    )


# What the trail is asked about


@pytest.mark.parametrize(
    ("arrival", "known", "unsettled"),
    [
        (FIRST, under_way(FIRST, Owner.DEAD), CutLeases(since=NOON, is_last=True)),
        (
            replace(FIRST, sequence=1, attempts=1, cut=True),
            under_way(FIRST, Owner.DEAD),
            CutLeases(since=NOON, is_last=False),
        ),
        (
            SECOND,
            state(SECOND, ClaimStatus.PARKED),
            CutLeases(since=NOON, is_last=False),
        ),
        (FIRST, under_way(FIRST, Owner.OURS), None),
        (REDRIVEN, under_way(FIRST, Owner.DEAD), None),
        (REDRIVEN, state(FIRST, ClaimStatus.BURIED), None),
        (SECOND, None, None),
    ],
    ids=[
        "taken over",
        "taken over, and put back by it",
        "cut before, and settled since",
        "our own, of which the answer was lost",
        "redriven while it was claimed",
        "redriven",
        "its claim is forgotten",
    ],
)
def test_a_claim_that_follows_a_cut_one_says_since_when_to_ask(
    arrival: Arrival, known: ClaimState | None, unsettled: CutLeases | None
) -> None:
    verdict = judge(arrival, known)

    assert isinstance(verdict, Go)
    assert verdict.unsettled == unsettled


# What people hold and cancel


@pytest.mark.parametrize("status", [ClaimStatus.HELD, ClaimStatus.CANCELLING])
@pytest.mark.parametrize("arrival", [FIRST, SECOND, REDRIVEN])
def test_what_a_person_holds_is_withheld(arrival: Arrival, status: ClaimStatus) -> None:
    assert judge(arrival, state(FIRST, status)) == Withheld()


def test_an_older_record_of_what_a_person_holds_is_passed_over() -> None:
    assert judge(FIRST, state(SECOND, ClaimStatus.HELD)) == Known()


@pytest.mark.parametrize("arrival", [FIRST, SECOND, REDRIVEN])
def test_what_a_person_cancelled_is_passed_over_whichever_record_comes(
    arrival: Arrival,
) -> None:
    assert judge(arrival, state(FIRST, ClaimStatus.CANCELLED)) == Known()
