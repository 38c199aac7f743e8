"""The audit log: durable on return, whole or not at all, one chain a process."""

import asyncio
import logging

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from keyrelay.model.audit import Change
from keyrelay.ports import Unavailable
from keyrelay.stores.audit.chain import ChainHead
from keyrelay.stores.audit.checkpoint import LABEL
from keyrelay.stores.audit.log import CHECKPOINT_INTERVAL, group_commits
from keyrelay.stores.definitions.listing import Listing
from tests.contract.stores.ground import Ground, on_sqlite
from tests.contract.stores.house import ADA, House, mail_action, open_house
from tests.contract.stores.records import attempt, record, release, triggers_of
from tests.samples import PROFILE


@pytest.fixture(autouse=True)
def lines_of_records(caplog: pytest.LogCaptureFixture) -> None:
    """A worker's level; with that of commands, records have no lines."""
    caplog.set_level(logging.INFO, "keyrelay")


async def checkpoint(house: House) -> tuple[ChainHead, ...] | None:
    mac = await house.audit_log.vault.authenticator(LABEL)
    noted = house.audit_log.checkpoint.read(mac)
    return None if noted is None else noted.heads


async def test_on_return_another_process_sees_the_record(
    house: House, neighbour: House
) -> None:
    await record(house, "t1")

    assert await triggers_of(neighbour) == ["t1"]


async def test_records_of_many_lanes_are_all_kept_in_one_chain(house: House) -> None:
    log = group_commits(house.audit_log)

    await asyncio.gather(*[log.append(attempt(f"t{n:03}")) for n in range(100)])

    assert await triggers_of(house) == [f"t{n:03}" for n in range(100)]
    assert (await house.trail.verify()).breach is None
    assert await house.look("SELECT count(*) FROM audit_chains") == [(1,)]


async def test_each_process_has_a_chain_of_its_own(
    house: House, neighbour: House
) -> None:
    await record(house, "t1")
    await record(neighbour, "t2")
    await record(house, "t3")

    verdict = await house.trail.verify()

    assert (verdict.chains, verdict.breach) == (2, None)


async def test_a_process_that_records_nothing_opens_no_chain(
    house: House, neighbour: House
) -> None:
    await neighbour.secrets.list(PROFILE, Listing())

    assert (await house.trail.verify()).chains == 1


async def test_each_record_is_one_log_line_with_all_its_facts(house: House) -> None:
    with capture_logs() as lines:
        await record(house, "t1")
        await house.new_secret()
        await house.audit_log.keep_records([release("r1")])

    assert [(line["event"], line["kind"]) for line in lines] == [
        ("attempt settled", "attempt"),
        ("definition changed", "change"),
        ("secret released", "release"),
    ]
    assert lines[0]["trigger"] == "t1"
    assert lines[0]["outcome"] == "delivered"
    assert lines[1]["actor"] == ADA


async def test_a_release_is_recorded_and_counts_as_no_attempt(house: House) -> None:
    await house.audit_log.keep_records([release("r1"), attempt("t1")])

    assert await house.look("SELECT trigger FROM attempts") == [("t1",)]
    assert (await house.trail.verify()).breach is None


async def test_what_was_not_kept_is_not_logged(house: House) -> None:
    await house.refuse_records()

    with capture_logs() as lines, pytest.raises(Exception, match="full"):
        await record(house, "t1")

    assert lines == []


async def test_a_change_without_its_record_is_not_made(house: House) -> None:
    secret = await house.new_secret()
    action = (await house.actions.create(PROFILE, mail_action(secret), ADA)).id
    tables = (
        "secrets",
        "secret_versions",
        "actions",
        "tags",
        "changes",
        "installation",
    )
    before = [await house.look(f"SELECT * FROM {table}") for table in tables]  # noqa: S608
    await house.refuse_records()

    for change in (
        house.new_secret("another"),
        house.secrets.edit(
            PROFILE, secret, {"tags": [{"key": "k", "value": "v"}]}, ADA
        ),
        house.actions.create(PROFILE, mail_action(secret), ADA),
        house.actions.edit(PROFILE, action, {"active": False}, ADA),
        house.actions.delete(PROFILE, action, ADA),
    ):
        with pytest.raises(Exception, match="full"):
            await change

    after = [await house.look(f"SELECT * FROM {table}") for table in tables]  # noqa: S608
    assert after == before


async def test_a_change_that_fails_leaves_no_record_and_no_gap(house: House) -> None:
    async def fail() -> None:
        async with house.journal.writing(PROFILE, ADA) as writing:
            writing.record("secret", "5" * 24, Change.CREATED, "never")
            raise LookupError

    await record(house, "t1")
    with pytest.raises(LookupError):
        await fail()
    await record(house, "t2")

    assert await triggers_of(house) == ["t1", "t2"]
    verdict = await house.trail.verify()
    assert (verdict.chains, verdict.breach) == (1, None)


async def test_after_a_failed_commit_the_next_record_opens_another_chain(
    house: House,
) -> None:
    await record(house, "t1")
    # Checked at the commit only, which so fails after all else went well.
    await house.break_in(
        "CREATE TABLE late (profile varchar(24) REFERENCES profiles(id)"
        " DEFERRABLE INITIALLY DEFERRED)",
    )

    async def fail_to_commit() -> None:
        async with house.journal.writing(PROFILE, ADA) as writing:
            writing.record("secret", "5" * 24, Change.CREATED, "never")
            await writing.connection.execute(text("INSERT INTO late VALUES ('nobody')"))

    with pytest.raises(Exception, match=r"(?i)foreign key"):
        await fail_to_commit()
    await record(house, "t2")

    verdict = await house.trail.verify()
    assert (verdict.chains, verdict.breach) == (2, None)


@on_sqlite
async def test_on_a_full_disk_appending_is_unavailable_and_then_goes_on(
    house: House,
) -> None:
    await record(house, "t1")
    log = group_commits(house.audit_log)
    await house.break_in("PRAGMA max_page_count = 1")

    ended = await asyncio.gather(
        *[log.append(attempt(f"{number:064}")) for number in range(200)],
        return_exceptions=True,
    )
    await house.break_in("PRAGMA max_page_count = 100000")
    await record(house, "t2")

    refusals = [each for each in ended if each is not None]
    assert refusals
    assert all(isinstance(each, Unavailable) for each in refusals)
    kept = await triggers_of(house)
    assert len(kept) == 2 + 200 - len(refusals)
    assert {"t1", "t2"} <= set(kept)
    assert (await house.trail.verify()).breach is None


async def test_a_second_after_a_record_the_checkpoint_knows_it(house: House) -> None:
    await house.clock.until_asleep()  # the checkpoint of the founding is written
    await record(house, "t1")
    before = await checkpoint(house)

    await house.clock.pass_time(CHECKPOINT_INTERVAL)

    after = await checkpoint(house)
    assert before is not None
    assert after is not None
    assert after[0].seq == before[0].seq + 1


async def test_the_last_checkpoint_is_written_at_the_end(ground: Ground) -> None:
    async with open_house(ground) as house:
        await record(house, "t1", "t2")

    async with open_house(ground) as house:
        heads = await house.look("SELECT head_seq FROM audit_chains")
        known = await checkpoint(house)
        assert known is not None
        assert [(head.seq,) for head in known] == heads


async def test_a_checkpoint_that_cannot_be_written_is_logged_and_stops_nothing(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    await house.clock.until_asleep()
    house.audit_log.checkpoint.path.write_text("forged")

    with capture_logs() as lines:
        await record(house, "t1")
        await house.audit_log.keep_checkpoint()

    assert [line["event"] for line in lines] == ["attempt settled"]
    assert [line.message for line in caplog.records] == ["audit checkpoint not written"]
