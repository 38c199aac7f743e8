"""Dead letters: durable, one for each trigger, gone only with a record."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from keyrelay.model.dead_letter import DeadLetter
from keyrelay.model.outcome import Fault
from keyrelay.model.settlement import Bury
from keyrelay.model.trigger import Trigger
from keyrelay.stores.audit.record_query import AuditQuery
from keyrelay.stores.burials import group_burials
from keyrelay.stores.dead_letter_groups import LetterCounting, LetterGroup
from keyrelay.stores.dead_letter_query import (
    FIRST_LETTERS,
    DeadLetterQuery,
    LetterPage,
)
from keyrelay.stores.dead_letters import reason_of, trigger_of
from keyrelay.stores.refusals import EditedMeanwhile, NotFound
from tests.contract.stores.house import ADA, House
from tests.samples import (
    MAIL_ACTION,
    NOON,
    ORIGIN,
    OTHER_PROFILE,
    PROFILE,
    QUEUE_ACTION,
    a_trigger,
)

SECOND = timedelta(seconds=1)


def letter(
    id_: str = "t1", action: str = MAIL_ACTION, fault: Fault = Fault.SYSTEM
) -> DeadLetter:
    return DeadLetter(
        trigger=a_trigger(action=action, id_=id_),
        settlement=Bury(reason="gave up", fault=fault, done=frozenset({"b", "a"})),
        attempts=10,
        buried_at=NOON + timedelta(microseconds=1),
    )


def because(id_: str, reason: str) -> DeadLetter:
    settlement = Bury(reason=reason, fault=Fault.SYSTEM)
    return replace(letter(id_), settlement=settlement)


async def bury(house: House, *letters: DeadLetter) -> None:
    letters_store = group_burials(house.dead_letters)
    await asyncio.gather(*[letters_store.bury(each) for each in letters])


async def test_a_letter_is_read_back_as_it_was_buried(house: House) -> None:
    raw = b'{"action": "%b", "key": "k", "data": [{"value": "\xc3\xa9", "x": [1]}]}'
    trigger = Trigger.parse(raw % MAIL_ACTION.encode(), ORIGIN)
    buried = replace(letter(), trigger=trigger)

    await bury(house, buried)

    assert await house.dead_letters.get(PROFILE, trigger.id) == buried


async def test_on_return_another_process_sees_the_letter(
    house: House, neighbour: House
) -> None:
    await bury(house, letter())

    assert await neighbour.dead_letters.get(PROFILE, "t1") == letter()


async def test_a_trigger_has_one_letter_its_last(house: House) -> None:
    last = replace(letter(), attempts=11, buried_at=NOON + SECOND)

    await bury(house, letter(), letter(), letter("t2"), last)

    letters = await house.dead_letters.list(PROFILE, DeadLetterQuery())
    assert letters == (last, letter("t2"))


async def test_a_reason_that_would_fool_a_reader_is_shown(house: House) -> None:
    settlement = Bury(reason="said\x1b[31m\u202e", fault=Fault.SYSTEM)

    await bury(house, replace(letter(), settlement=settlement))

    kept = await house.dead_letters.get(PROFILE, "t1")
    assert reason_of(kept) == "said\\u{1b}[31m\\u{202e}"


@pytest.mark.parametrize(
    ("query", "page", "found"),
    [
        (DeadLetterQuery(), FIRST_LETTERS, ["t3", "t2", "t1"]),
        (DeadLetterQuery(), LetterPage(amount=2), ["t3", "t2"]),
        (DeadLetterQuery(), LetterPage(amount=2, number=2), ["t1"]),
        (DeadLetterQuery(action=QUEUE_ACTION), FIRST_LETTERS, ["t2"]),
        (DeadLetterQuery(fault=Fault.TRIGGER), FIRST_LETTERS, ["t3"]),
        (DeadLetterQuery(since=NOON + SECOND), FIRST_LETTERS, ["t3", "t2"]),
        (DeadLetterQuery(triggers=("t1", "t3", "t9")), FIRST_LETTERS, ["t3", "t1"]),
    ],
    ids=str,
)
async def test_letters_are_listed_newest_first(
    house: House, query: DeadLetterQuery, page: LetterPage, found: list[str]
) -> None:
    await bury(
        house,
        letter("t1"),
        replace(letter("t2", QUEUE_ACTION), buried_at=NOON + SECOND),
        replace(letter("t3", fault=Fault.TRIGGER), buried_at=NOON + 2 * SECOND),
    )

    letters = await house.dead_letters.list(PROFILE, query, page)

    assert [trigger_of(each) for each in letters] == found


@pytest.mark.parametrize(
    ("reason", "found"),
    [("no route", ["t1"]), ("100%", ["t2"]), ("1_0%", []), ("e", ["t1", "t2"])],
)
async def test_letters_are_found_by_what_stands_in_their_reason(
    house: House, reason: str, found: list[str]
) -> None:
    await bury(
        house, because("t1", "421 No route"), because("t2", "the disk is 100% full")
    )

    letters = await house.dead_letters.list(PROFILE, DeadLetterQuery(reason=reason))

    assert [trigger_of(each) for each in letters] == found


async def test_letters_are_counted_by_action_fault_and_reason(house: House) -> None:
    await bury(
        house,
        because("t1", "no route"),
        replace(because("t2", "no route"), buried_at=NOON + SECOND),
        letter("t3", QUEUE_ACTION),
    )
    counting = LetterCounting(database=house.dead_letters.database)

    found = await counting.groups(PROFILE, DeadLetterQuery(), 1)
    narrowed = await counting.groups(PROFILE, DeadLetterQuery(reason="gave"), 20)
    theirs = await counting.groups(OTHER_PROFILE, DeadLetterQuery(), 20)

    assert [*found.groups] == [
        LetterGroup(
            action=MAIL_ACTION,
            fault=Fault.SYSTEM,
            reason="no route",
            count=2,
            newest=NOON + SECOND,
        )
    ]
    assert (found.letters, found.actions, found.are_all) == (3, 2, True)
    assert [each.count for each in narrowed.groups] == [1]
    assert (theirs.letters, theirs.actions, [*theirs.groups]) == (0, 0, [])


async def test_letters_do_not_cross_profiles(house: House) -> None:
    await bury(house, letter())
    theirs = replace(letter(), trigger=replace(a_trigger(), profile=OTHER_PROFILE))

    assert await house.dead_letters.list(OTHER_PROFILE, DeadLetterQuery()) == ()
    with pytest.raises(NotFound, match="there is no dead letter t1"):
        await house.dead_letters.get(OTHER_PROFILE, "t1")
    refused = await house.dead_letters.drop(OTHER_PROFILE, [theirs], ADA)

    assert isinstance(refused["t1"], NotFound)

    assert await house.dead_letters.get(PROFILE, "t1") == letter()


@pytest.mark.parametrize("change", ["dropped", "redriven"])
async def test_a_letter_goes_with_a_record_of_who_did_it(
    house: House, change: str
) -> None:
    await bury(house, letter(), letter("t2"))
    letters = house.dead_letters
    end = letters.drop if change == "dropped" else letters.redriven

    assert await end(PROFILE, [letter()], ADA) == {}

    assert await letters.list(PROFILE, DeadLetterQuery()) == (letter("t2"),)
    (entry,) = await house.trail.list(PROFILE, AuditQuery(trigger="t1"))
    facts = [entry.document[name] for name in ("change", "actor", "detail")]
    assert facts == [change, ADA, "gave up"]


@pytest.mark.parametrize("change", ["dropped", "redriven"])
async def test_a_trigger_that_was_buried_anew_stays(house: House, change: str) -> None:
    anew = replace(letter(), buried_at=NOON + SECOND)
    await bury(house, letter(), letter("t2"))
    await bury(house, anew)
    letters = house.dead_letters
    end = letters.drop if change == "dropped" else letters.redriven

    refused = await end(PROFILE, [letter(), letter("t2"), letter("t3")], ADA)

    assert {id_: type(each) for id_, each in refused.items()} == {
        "t1": EditedMeanwhile,
        "t3": NotFound,
    }
    assert str(refused["t1"]) == "t1 was buried anew: look again"
    assert await letters.list(PROFILE, DeadLetterQuery()) == (anew,)


async def test_a_letter_without_its_record_does_not_go(house: House) -> None:
    await bury(house, letter())
    await house.refuse_records()

    with pytest.raises(Exception, match="full"):
        await house.dead_letters.drop(PROFILE, [letter()], ADA)

    assert await house.dead_letters.get(PROFILE, "t1") == letter()
