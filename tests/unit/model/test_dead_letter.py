"""Dead letters: what a redriven trigger keeps and what it is given anew."""

from datetime import UTC, datetime, timedelta

import pytest

from keyrelay.model.dead_letter import DeadLetter
from keyrelay.model.lifetime import Lifetime
from keyrelay.model.outcome import Fault
from keyrelay.model.settlement import Bury
from keyrelay.model.trigger import Trigger

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LAST = datetime.max.replace(tzinfo=UTC)


def a_letter(lifetime: Lifetime) -> DeadLetter:
    trigger = Trigger(
        id="t1", profile="a" * 24, action="b" * 24, data=(), key="k", lifetime=lifetime
    )
    bury = Bury(reason="refused", fault=Fault.DEFINITION)
    return DeadLetter(trigger=trigger, settlement=bury, attempts=3, buried_at=NOON)


def test_a_redriven_trigger_has_its_whole_time_again() -> None:
    letter = a_letter(Lifetime(raised_at=NOON, deadline=NOON + timedelta(hours=24)))

    trigger = letter.redriven(NOON + timedelta(days=30))

    assert trigger.lifetime.deadline == NOON + timedelta(days=31)


def test_a_redriven_trigger_is_otherwise_the_same() -> None:
    letter = a_letter(Lifetime(raised_at=NOON, deadline=NOON + timedelta(hours=24)))

    trigger = letter.redriven(NOON)

    assert trigger == letter.trigger


def test_a_redriven_trigger_of_a_clock_that_was_ahead_is_valid() -> None:
    ahead = NOON + timedelta(days=365)
    letter = a_letter(Lifetime(raised_at=ahead, deadline=ahead + timedelta(hours=24)))

    trigger = letter.redriven(NOON)

    assert Trigger.decode(trigger.encode()) == trigger
    assert trigger.lifetime.deadline == ahead + timedelta(hours=24)


@pytest.mark.parametrize("now", [NOON, LAST])
def test_a_deadline_at_the_end_of_the_calendar_stays_there(now: datetime) -> None:
    letter = a_letter(Lifetime(raised_at=NOON - timedelta(days=1), deadline=LAST))

    assert letter.redriven(now).lifetime.deadline == LAST


def test_the_date_of_a_redriven_message_is_decided_anew() -> None:
    lifetime = Lifetime(raised_at=NOON, deadline=NOON + timedelta(hours=24))
    letter = a_letter(lifetime.dated(NOON))

    assert letter.redriven(NOON + timedelta(hours=2)).lifetime.date == NOON
    later = NOON + timedelta(days=30)
    assert letter.redriven(later).lifetime.date == later
