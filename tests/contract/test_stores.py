"""Audit log and dead letters: one suite over the fakes and what stands in for them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from keyrelay.dead_letter import DeadLetter
from keyrelay.outcome import Fault
from keyrelay.ports import AuditLog, DeadLetters, Unavailable
from keyrelay.settlement import Bury
from keyrelay.stores.audit_log import group_commits
from keyrelay.stores.audit_trail import AuditQuery
from keyrelay.stores.dead_letters import DeadLetterQuery, group_burials
from tests.contract.stores.ground import in_a_file
from tests.contract.stores.house import House, open_house
from tests.contract.stores.records import attempt
from tests.fakes import FakeAuditLog, FakeDeadLetters, Story
from tests.samples import NOON, PROFILE, a_trigger


@dataclass(frozen=True, kw_only=True)
class Kept:
    """The two ports, what somebody else finds behind them, and how they break."""

    audit: AuditLog
    dead_letters: DeadLetters
    records: Callable[[], Awaitable[list[str]]]
    letters: Callable[[], Awaitable[list[str]]]
    go_down: Callable[[], Awaitable[None]]


def faked() -> Kept:
    audit, dead_letters = FakeAuditLog(Story()), FakeDeadLetters(Story())

    async def go_down() -> None:
        audit.down = dead_letters.down = True

    async def records() -> list[str]:
        return sorted(record.tried.trigger for record in audit.records)

    async def letters() -> list[str]:
        return sorted(letter.trigger.id for letter in dead_letters.letters)

    return Kept(
        audit=audit,
        dead_letters=dead_letters,
        records=records,
        letters=letters,
        go_down=go_down,
    )


def real(house: House, neighbour: House) -> Kept:
    async def go_down() -> None:
        path = house.ledger.checkpoint.path.with_name("keyrelay.db")
        await house.database.engine.dispose()
        await neighbour.database.engine.dispose()
        path.write_bytes(b"no database any more" * 1000)

    async def records() -> list[str]:
        entries = await neighbour.trail.list(PROFILE, AuditQuery(kind="attempt"))
        return sorted(str(entry.document["trigger"]) for entry in entries)

    async def letters() -> list[str]:
        listed = await neighbour.dead_letters.list(PROFILE, DeadLetterQuery())
        return sorted(letter.trigger.id for letter in listed)

    return Kept(
        audit=group_commits(house.ledger),
        dead_letters=group_burials(house.dead_letters),
        records=records,
        letters=letters,
        go_down=go_down,
    )


@pytest.fixture(params=["fake", "database"])
async def kept(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kept]:
    if request.param == "fake":
        yield faked()
        return
    async with (
        open_house(in_a_file(tmp_path)) as house,
        open_house(in_a_file(tmp_path)) as neighbour,
    ):
        yield real(house, neighbour)


def letter(trigger: str) -> DeadLetter:
    return DeadLetter(
        trigger=a_trigger(id_=trigger),
        settlement=Bury(reason="gave up", fault=Fault.SYSTEM),
        attempts=1,
        buried_at=NOON,
    )


async def test_a_record_is_kept_when_append_returns(kept: Kept) -> None:
    await kept.audit.append(attempt("t1"))

    assert await kept.records() == ["t1"]


async def test_a_letter_is_kept_when_bury_returns(kept: Kept) -> None:
    await kept.dead_letters.bury(letter("t1"))

    assert await kept.letters() == ["t1"]


async def test_what_cannot_be_kept_is_unavailable(kept: Kept) -> None:
    await kept.go_down()

    with pytest.raises(Unavailable):
        await kept.audit.append(attempt("t1"))
    with pytest.raises(Unavailable):
        await kept.dead_letters.bury(letter("t1"))
