"""Audit log and dead letters: one suite over the fakes and what stands in for them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree

import pytest

from keyrelay.model.dead_letter import DeadLetter
from keyrelay.model.outcome import Fault
from keyrelay.model.settlement import Bury
from keyrelay.ports import AuditLog, DeadLetters, Unavailable
from keyrelay.stores.audit.log import group_commits
from keyrelay.stores.audit.record_query import AuditQuery
from keyrelay.stores.burials import group_burials
from keyrelay.stores.dead_letter_query import DeadLetterQuery
from keyrelay.stores.dead_letters import trigger_of
from tests.contract.stores.ground import Ground, in_a_file, on_a_server
from tests.contract.stores.house import House, open_house
from tests.contract.stores.records import attempt
from tests.fakes import FakeAuditLog, FakeDeadLetters, Story
from tests.samples import NOON, PROFILE, a_trigger
from tests.services import loopback
from tests.services.postgresql import PostgreSql


@dataclass(frozen=True, kw_only=True)
class Kept:
    """The two ports, what another process finds behind them, and how they break."""

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
        return sorted(record.attempt.trigger for record in audit.records)

    async def letters() -> list[str]:
        return sorted(letter.trigger.id for letter in dead_letters.letters)

    return Kept(
        audit=audit,
        dead_letters=dead_letters,
        records=records,
        letters=letters,
        go_down=go_down,
    )


def real(house: House, neighbour: House, go_down: Callable[[], None]) -> Kept:
    async def go() -> None:
        for each in (house, neighbour):
            await each.database.close()
        await asyncio.to_thread(go_down)

    async def records() -> list[str]:
        entries = await neighbour.trail.list(PROFILE, AuditQuery(kind="attempt"))
        return sorted(str(entry.document["trigger"]) for entry in entries)

    async def letters() -> list[str]:
        listed = await neighbour.dead_letters.list(PROFILE, DeadLetterQuery())
        return sorted(trigger_of(letter) for letter in listed)

    return Kept(
        audit=group_commits(house.audit_log),
        dead_letters=group_burials(house.dead_letters),
        records=records,
        letters=letters,
        go_down=go,
    )


def damage(file: Path) -> None:
    file.write_bytes(b"no database any more" * 1000)


@dataclass(frozen=True, kw_only=True)
class Real:
    """Where a real one is kept, and what takes it away."""

    ground: Ground
    go_down: Callable[[], None]


@pytest.fixture(params=["fake", "sqlite", "postgresql"])
def basis(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Real | None]:
    if request.param == "fake":
        yield None
    elif request.param == "sqlite":
        migrated = request.getfixturevalue("migrated")
        ground = in_a_file(copytree(migrated, tmp_path / "house"))
        file = ground.folder / "keyrelay.db"
        yield Real(ground=ground, go_down=lambda: damage(file))
    else:
        server: PostgreSql = request.getfixturevalue("postgresql")
        template = request.getfixturevalue("template")
        with on_a_server(server, template, tmp_path) as ground:
            yield Real(ground=ground, go_down=server.stop)
            if not loopback.accepts(server.port):
                server.start()


@pytest.fixture
async def kept(basis: Real | None) -> AsyncIterator[Kept]:
    if basis is None:
        yield faked()
        return
    async with (
        open_house(basis.ground) as house,
        open_house(basis.ground) as neighbour,
    ):
        yield real(house, neighbour, basis.go_down)


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
