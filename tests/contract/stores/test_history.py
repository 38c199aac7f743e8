"""History: what the trail says of a trigger's attempts, to a lease that repeats."""

from dataclasses import replace
from datetime import timedelta

import pytest

from keyrelay.model.audit import Change
from keyrelay.model.recorded import RecordedAttempt
from keyrelay.model.settlement import Done
from keyrelay.stores.audit.log import group_commits
from keyrelay.stores.definitions.journal import Journal
from tests.contract.stores.ground import on_sqlite
from tests.contract.stores.house import ADA, House
from tests.contract.stores.records import attempt, record
from tests.contract.stores.test_unreadable import GARBAGE
from tests.samples import NOON, OTHER_PROFILE, PROFILE

SECOND = timedelta(seconds=1)
DONE = RecordedAttempt(started_at=NOON, ended_at=NOON, settlement=Done())


async def ended(house: House, trigger: str = "t1") -> list[RecordedAttempt]:
    log = group_commits(house.audit_log)
    return [*await log.attempts(PROFILE, trigger, NOON)]


async def test_what_another_process_recorded_is_found(
    house: House, neighbour: House
) -> None:
    await record(house, "t0", "t1")
    await record(neighbour, "t2", "t3")

    for trigger in ("t0", "t1", "t2", "t3"):
        assert await ended(neighbour, trigger) == [DONE]


async def test_attempts_come_in_their_order(house: House) -> None:
    late, early = attempt("t1"), attempt("t1")
    for number, each in enumerate((early, late)):
        at = NOON + number * SECOND
        moved = replace(each.attempt, started_at=at)
        await group_commits(house.audit_log).append(replace(each, attempt=moved, at=at))

    assert [each.ended_at for each in await ended(house)] == [NOON, NOON + SECOND]


async def test_what_began_before_is_left_out(house: House) -> None:
    straddling = attempt("t1")
    before = replace(straddling.attempt, started_at=NOON - SECOND)
    await group_commits(house.audit_log).append(replace(straddling, attempt=before))

    assert await ended(house) == []


async def test_another_trigger_or_profile_or_a_change_is_no_attempt_of_it(
    house: House,
) -> None:
    await record(house, "t2")
    await group_commits(house.audit_log).append(attempt("t1", OTHER_PROFILE))
    await house.new_secret()

    assert await ended(house) == []


@pytest.mark.parametrize(
    ("tampering", "left"),
    [
        (
            "UPDATE audit_records SET document = replace(document, 'taken', 'TAKEN')",
            [],
        ),
        ("UPDATE audit_records SET seq = seq + 7 WHERE \"trigger\" = 't1'", []),
        (
            "UPDATE audit_records SET \"trigger\" = 't1', document ="
            " replace(document, '\"t0\"', '\"t1\"') WHERE \"trigger\" = 't0'",
            [DONE],
        ),
        ("UPDATE audit_chains SET after_seq = 5", []),
        ("DELETE FROM audit_chains", []),
    ],
    ids=["edited", "moved", "made this trigger's", "another opening", "no chain"],
)
async def test_a_record_that_is_not_as_it_was_written_says_nothing(
    neighbour: House,
    tampering: str,
    left: list[RecordedAttempt],
    caplog: pytest.LogCaptureFixture,
) -> None:
    await record(neighbour, "t1", "t0")  # its first: the chain opens with them
    assert await ended(neighbour) == [DONE]

    await neighbour.break_in(tampering)

    assert await ended(neighbour) == left
    assert "audit record is not as it was written" in caplog.messages


async def test_a_record_moved_to_another_trigger_by_its_column_says_nothing(
    house: House,
) -> None:
    await record(house, "t0", "t2")

    await house.break_in("UPDATE audit_records SET \"trigger\" = 't1'")

    assert await ended(house) == []


async def test_a_cancellation_ends_its_trigger(house: House) -> None:
    async with Journal(audit_log=house.audit_log).writing(PROFILE, ADA) as writing:
        for id_, change in (("t1", Change.CANCELLED), ("t2", Change.HELD)):
            writing.record("trigger", id_, change, "attempts: 0")

    (found,) = await ended(house)

    assert found.settlement == Done()
    assert await ended(house, "t2") == []


@pytest.mark.parametrize("column", ["id", "chain", "at", "document", "mac", "seq"])
@on_sqlite
async def test_a_record_that_cannot_be_read_says_nothing_and_hides_no_others(
    house: House, caplog: pytest.LogCaptureFixture, column: str
) -> None:
    await record(house, "t1", "t1")
    for garbage in GARBAGE:
        await house.break_in(
            "CREATE TABLE once AS SELECT * FROM audit_records",
            f"UPDATE audit_records SET {column} = {garbage}"  # noqa: S608
            " WHERE kind = 'attempt' AND seq ="
            " (SELECT max(seq) FROM audit_records WHERE kind = 'attempt')",
        )

        assert DONE in await ended(house), garbage
        await house.break_in(
            "DELETE FROM audit_records",
            "INSERT INTO audit_records SELECT * FROM once",
            "DROP TABLE once",
        )
    assert caplog.messages.count("audit record is not as it was written") > 0


@pytest.mark.parametrize("column", ["number", "after_seq", "after_mac"])
@on_sqlite
async def test_of_a_chain_that_cannot_be_read_the_first_record_says_nothing(
    neighbour: House, column: str
) -> None:
    for garbage in GARBAGE:
        await record(neighbour, "t1", "t1")
        await neighbour.break_in(
            "CREATE TABLE once AS SELECT * FROM audit_chains",
            f"UPDATE audit_chains SET {column} = {garbage}"  # noqa: S608
            " WHERE number = (SELECT max(number) FROM audit_chains)",
        )

        found = await ended(neighbour)

        assert set(map(repr, found)) <= {repr(DONE)}
        assert found
        await neighbour.break_in(
            "DELETE FROM audit_chains",
            "INSERT INTO audit_chains SELECT * FROM once",
            "DROP TABLE once",
        )


@pytest.mark.parametrize("garbage", [each for each in GARBAGE if each != "7"])
@pytest.mark.parametrize("column", ["id", "number", "head_seq", "head_mac"])
@on_sqlite
async def test_after_a_chain_that_cannot_be_read_records_are_kept_and_found(
    house: House, neighbour: House, column: str, garbage: str
) -> None:
    await record(house, "t0")
    await house.break_in(
        f"UPDATE audit_chains SET {column} = {garbage}"  # noqa: S608
        " WHERE number = (SELECT max(number) FROM audit_chains)"
    )

    await record(neighbour, "t1", "t1")

    assert DONE in await ended(neighbour)
    assert (await neighbour.trail.verify()).breach is not None
