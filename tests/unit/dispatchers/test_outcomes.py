from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.dispatchers.outcomes import combine
from keyrelay.model.outcome import (
    Blame,
    Deferred,
    Delivered,
    Fault,
    Outcome,
    Part,
    Rejected,
    Uncertain,
)

TAKEN = Delivered("id-1")
LATER = Deferred("later", not_before=timedelta(seconds=9))
PEER = Deferred("busy", not_before=timedelta(seconds=2), blame=Blame.PEER)
REFUSED = Deferred("who?", spends_attempt=False, blame=Blame.CREDENTIAL)
UNKNOWN = Uncertain("silence")
INVALID = Rejected("nonsense", Fault.TRIGGER)
NO_QUEUE = Rejected("no queue", Fault.DEFINITION)


def combined(*outcomes: Outcome) -> Outcome:
    return combine([(str(number), one) for number, one in enumerate(outcomes)])


@pytest.mark.parametrize(
    ("outcomes", "kind", "reason"),
    [
        ((TAKEN, INVALID), Rejected, "nonsense"),
        ((NO_QUEUE, INVALID), Rejected, "no queue"),
        ((INVALID, LATER, TAKEN), Deferred, "later"),
        ((LATER, PEER), Deferred, "busy"),
        ((PEER, REFUSED, LATER), Deferred, "who?"),
        ((REFUSED, UNKNOWN, INVALID), Uncertain, "silence"),
    ],
)
def test_the_most_serious_outcome_of_a_message_is_the_triggers(
    outcomes: tuple[Outcome, ...], kind: type[Outcome], reason: str
) -> None:
    outcome = combined(*outcomes)

    assert isinstance(outcome, kind)
    assert not isinstance(outcome, Delivered)
    assert outcome.reason == reason


def test_all_delivered_is_delivered_with_all_receipts() -> None:
    outcome = combined(Delivered("a"), Delivered("b"))

    assert outcome == Delivered(
        "a b", (Part("0", "a", settled=True), Part("1", "b", settled=True))
    )


def test_many_receipts_are_counted() -> None:
    outcome = combined(*[Delivered("i" * 36)] * 1000)

    assert isinstance(outcome, Delivered)
    assert outcome.receipt == "i" * 36 + " and 999 more"
    assert len(outcome.parts) == 1000


def test_with_nothing_left_to_send_all_is_delivered() -> None:
    assert combined() == Delivered("", ())


def test_only_what_was_delivered_is_settled() -> None:
    outcome = combined(TAKEN, LATER, INVALID, UNKNOWN)

    assert outcome.parts == (
        Part("0", "id-1", settled=True),
        Part("1", "later", settled=False),
        Part("2", "nonsense", settled=False),
        Part("3", "silence", settled=False),
    )


def test_a_deferral_has_the_longest_hint_and_the_most_serious_blame() -> None:
    outcome = combined(LATER, PEER)

    assert isinstance(outcome, Deferred)
    assert outcome.not_before == timedelta(seconds=9)
    assert outcome.blame is Blame.PEER


@given(
    st.lists(
        st.sampled_from([TAKEN, LATER, PEER, REFUSED, UNKNOWN, INVALID, NO_QUEUE]),
        max_size=12,
    )
)
def test_a_trigger_is_delivered_only_if_each_of_its_messages_is(
    outcomes: list[Outcome],
) -> None:
    outcome = combined(*outcomes)

    assert isinstance(outcome, Delivered) is (set(map(type, outcomes)) <= {Delivered})
    assert [part.settled for part in outcome.parts] == [
        isinstance(one, Delivered) for one in outcomes
    ]
