"""Unreadable rows: each is told with its id and its bytes, and hides no others."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

import pytest
from sqlalchemy import Table

from keyrelay.model.dead_letter import (
    DeadLetter,
    UnreadableLetter,
    UnreadableTrigger,
)
from keyrelay.model.outcome import Fault
from keyrelay.stores.audit.record_query import AuditQuery
from keyrelay.stores.burials import group_burials
from keyrelay.stores.dead_letter_query import DeadLetterQuery
from keyrelay.stores.dead_letters import trigger_of
from keyrelay.stores.definitions.listing import Listing
from keyrelay.stores.definitions.secrets import id_of as secret_id_of
from keyrelay.stores.definitions.stored_document import id_of
from keyrelay.stores.refusals import NotFound
from keyrelay.stores.schema.tables import (
    actions,
    audit_records,
    dead_letters,
    policies,
    secrets,
)
from keyrelay.stores.unreadable import UnreadableRow
from tests.contract.stores.ground import on_sqlite
from tests.contract.stores.house import ADA, House, allow, mail_action
from tests.contract.stores.records import record
from tests.contract.stores.test_dead_letters import letter
from tests.samples import NOON, PROFILE, a_trigger

# What SQLite keeps in any column: text that is no UTF-8, text, bytes, numbers.
GARBAGE = ("CAST(x'ff61' AS TEXT)", "'words'", "'{'", "x'ff00'", "x''", "7", "-1.5")


async def _letters(house: House) -> Sequence[str]:
    found = await house.dead_letters.list(PROFILE, DeadLetterQuery())
    return [trigger_of(each) for each in found]


async def _secrets(house: House) -> Sequence[str]:
    found = await house.secrets.list(PROFILE, Listing())
    return [secret_id_of(each) for each in found]


async def _actions(house: House) -> Sequence[str]:
    return [id_of(each) for each in await house.actions.list(PROFILE, Listing())]


async def _policies(house: House) -> Sequence[str]:
    return [id_of(each) for each in await house.policies.list(PROFILE, Listing())]


async def _records(house: House) -> Sequence[str]:
    return [each.id for each in await house.trail.list(PROFILE, AuditQuery())]


LISTS: Mapping[Table, Callable[[House], Awaitable[Sequence[str]]]] = {
    dead_letters: _letters,
    secrets: _secrets,
    actions: _actions,
    policies: _policies,
    audit_records: _records,
}
NAMES = {"profile", "id", "trigger", "chain", "seq"}  # a row is found by these


async def _three_of_each(house: House) -> None:
    for name in ("a", "b", "c"):
        secret = await house.new_secret(name)
        await house.actions.create(PROFILE, mail_action(secret, name), ADA)
        await house.policies.create(PROFILE, allow(name), ADA)
    burials = group_burials(house.dead_letters)
    for name in ("a", "b", "c"):
        buried = replace(letter(), trigger=a_trigger(id_=name))
        await burials.bury(buried)


@pytest.mark.parametrize("table", LISTS, ids=lambda table: table.name)
@on_sqlite
async def test_whatever_stands_in_a_row_all_rows_are_listed(
    house: House, table: Table
) -> None:
    await _three_of_each(house)
    whole = sorted(await LISTS[table](house))
    name = "trigger" if table is dead_letters else "id"
    one = f"{name} = '{whole[1]}'"

    for column in table.c:
        for garbage in () if column.name in NAMES else GARBAGE:
            await house.break_in(
                f"CREATE TABLE once AS SELECT * FROM {table.name}",  # noqa: S608
                f"UPDATE {table.name} SET {column.name} = {garbage} WHERE {one}",  # noqa: S608
            )

            assert sorted(await LISTS[table](house)) == whole, (column.name, garbage)

            await house.break_in(
                f"DELETE FROM {table.name}",  # noqa: S608
                f"INSERT INTO {table.name} SELECT * FROM once",  # noqa: S608
                "DROP TABLE once",
            )


async def test_a_letter_that_cannot_be_read_is_shown_with_its_bytes_and_dropped(
    house: House,
) -> None:
    await group_burials(house.dead_letters).bury(letter())
    await house.break_in("UPDATE dead_letters SET document = x'7bff'")

    found = await house.dead_letters.get(PROFILE, "t1")

    assert isinstance(found, UnreadableRow)
    assert found.columns["document"] == b"\x7b\xff"
    assert found.document["document"] == {"base64": "e/8="}
    assert found.text("reason") == "gave up"
    assert await house.dead_letters.drop(PROFILE, [found], ADA) == {}
    with pytest.raises(NotFound):
        await house.dead_letters.get(PROFILE, "t1")
    (entry,) = await house.trail.list(PROFILE, AuditQuery(kind="change", trigger="t1"))
    assert entry.document["change"] == "dropped"


@pytest.mark.parametrize(
    ("raw", "done"),
    [
        (b"\x7b\xff", "[]"),
        (b"", ""),
        (a_trigger(id_="door").encode(), "words\0"),
        (a_trigger(id_="door").encode(), "[[1]]"),
        (a_trigger(id_="door").encode(), "[" * 100_000),
    ],
    ids=["body", "no body", "text", "other parts", "deep"],
)
async def test_what_stood_in_a_queue_and_cannot_be_read_is_listed_shown_and_dropped(
    house: House, raw: bytes, done: str
) -> None:
    trigger = UnreadableTrigger(profile=PROFILE, id="door", raw=raw, done=done)
    await group_burials(house.dead_letters).bury(letter())

    await house.dead_letters.keep_unreadable([_unreadable(trigger)])
    await house.dead_letters.keep_unreadable([_unreadable(trigger)] * 2)

    assert sorted(await _letters(house)) == ["door", "t1"]
    found = await house.dead_letters.get(PROFILE, "door")
    assert isinstance(found, UnreadableRow)
    assert found.columns["document"] == raw
    assert found.reason == "its row is damaged"
    assert await house.dead_letters.drop(PROFILE, [found], ADA) == {}
    assert await _letters(house) == ["t1"]


async def test_what_can_be_read_after_all_can_be_redriven(house: House) -> None:
    raw = a_trigger(id_="door").encode()
    done = json.dumps(["ada@example.com"])
    trigger = UnreadableTrigger(profile=PROFILE, id="door", raw=raw, done=done)

    await house.dead_letters.keep_unreadable([_unreadable(trigger)])

    found = await house.dead_letters.get(PROFILE, "door")
    assert isinstance(found, DeadLetter)
    assert found.trigger == a_trigger(id_="door")
    assert found.settlement.done == {"ada@example.com"}


async def test_what_has_a_damaged_name_is_kept(house: House) -> None:
    trigger = UnreadableTrigger(profile="p" * 99, id="i\0" * 99, raw=b"?", done="[]")

    await house.dead_letters.keep_unreadable([_unreadable(trigger)])

    (kept,) = await house.dead_letters.list("p" * 24, DeadLetterQuery())
    assert isinstance(kept, UnreadableRow)


async def test_the_burial_of_what_no_worker_could_read_is_on_record(
    house: House,
) -> None:
    for id_ in ("door", "do\x1bor" * 30):
        trigger = UnreadableTrigger(profile=PROFILE, id=id_, raw=b"?", done="[]")
        await house.dead_letters.keep_unreadable([_unreadable(trigger)])

    found = await house.trail.list(PROFILE, AuditQuery(kind="change", trigger="door"))
    (told,) = [each.document for each in found]
    assert (told["noun"], told["subject"], told["change"]) == (
        *("trigger", "door"),
        "buried",
    )
    assert (told["actor"], told["detail"]) == ("worker", "its row is damaged")
    await house.audit_log.keep_checkpoint()  # it would be within a second
    assert (await house.trail.verify()).breach is None


def _unreadable(trigger: UnreadableTrigger) -> UnreadableLetter:
    return UnreadableLetter(
        trigger=trigger,
        reason="its row is damaged",
        fault=Fault.SYSTEM,
        attempts=1,
        buried_at=NOON,
    )


async def test_a_letter_that_holds_another_trigger_is_not_taken_for_it(
    house: House,
) -> None:
    burials = group_burials(house.dead_letters)
    await burials.bury(letter())
    await burials.bury(letter("t2"))
    await house.break_in(
        "UPDATE dead_letters SET document ="
        " (SELECT document FROM dead_letters WHERE trigger = 't2')"
    )

    found = await house.dead_letters.get(PROFILE, "t1")

    assert isinstance(found, UnreadableRow)
    assert found.reason == "it holds another trigger than its row says"


@on_sqlite
async def test_definitions_that_cannot_be_read_are_deleted(house: House) -> None:
    await _three_of_each(house)
    for table in ("policies", "actions", "secrets"):
        await house.break_in(f"UPDATE {table} SET updated_at = 'words'")  # noqa: S608

    for policy in await _policies(house):
        await house.policies.delete(PROFILE, policy, ADA)
    for action in await _actions(house):
        await house.actions.delete(PROFILE, action, ADA)
    for secret in await _secrets(house):
        await house.secrets.delete(PROFILE, secret, ADA)

    assert await _secrets(house) == await _actions(house) == []


@pytest.mark.parametrize("garbage", GARBAGE)
@pytest.mark.parametrize("column", ["document", "at", "mac"])
@on_sqlite
async def test_a_record_that_cannot_be_read_is_a_breach(
    house: House, column: str, garbage: str
) -> None:
    await record(house, "t1")
    await record(house, "t2")
    await house.break_in(
        f"UPDATE audit_records SET {column} = {garbage} WHERE trigger = 't1'"  # noqa: S608
    )

    verdict = await house.trail.verify()

    assert verdict.breach is not None
    assert verdict.breach.id == (await _of_trigger(house, "t1"))


@pytest.mark.parametrize("garbage", GARBAGE)
@pytest.mark.parametrize("column", ["head_seq", "head_mac"])
@on_sqlite
async def test_a_chain_that_cannot_be_read_is_a_breach(
    house: House, column: str, garbage: str
) -> None:
    await record(house, "t1")
    await house.break_in(f"UPDATE audit_chains SET {column} = {garbage}")  # noqa: S608

    assert (await house.trail.verify()).breach is not None


async def test_the_records_of_the_founding_are_missed(house: House) -> None:
    await house.break_in("DELETE FROM audit_records", "DELETE FROM audit_chains")

    verdict = await house.trail.verify(())

    assert verdict.breach is not None
    assert verdict.breach.what == "the records of the store's founding are missing"


def test_a_fault_is_not_told_with_its_value() -> None:
    row = UnreadableRow(columns={"at": None, "n": 7, "raw": b"\xff"}, reason="r")

    assert (row.text("at"), row.text("n"), row.text("raw")) == ("", "7", "\ufffd")


async def _of_trigger(house: House, trigger: str) -> object:
    ((id_,),) = await house.look(
        f"SELECT id FROM audit_records WHERE trigger = '{trigger}'"  # noqa: S608
    )
    return id_
