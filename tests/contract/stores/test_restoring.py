"""Restoring: a database older than its checkpoint stops work until it is accepted."""

import pytest

from keyrelay.ports import Unavailable
from keyrelay.stores.audit.record_query import AuditQuery
from keyrelay.stores.restoring import (
    BehindCheckpoint,
    accept,
    compare,
    require_current,
)
from tests.contract.stores.house import ADA, House, allow
from tests.contract.stores.records import record
from tests.samples import PROFILE


async def go_back(house: House) -> str:
    """Take the last two records away, as an older database lacks them."""
    await record(house, "t1")
    await record(house, "t2")
    await record(house, "t3")
    await house.audit_log.keep_checkpoint()
    ((chain, last),) = await house.look(
        "SELECT chain, max(seq) FROM audit_records GROUP BY chain"
    )
    assert isinstance(last, int)
    await house.break_in(
        "DELETE FROM audit_records WHERE trigger IN ('t2', 't3')",
        f"UPDATE audit_chains SET head_seq = {last - 2}, head_mac ="  # noqa: S608
        f" (SELECT mac FROM audit_records WHERE seq = {last - 2})",
    )
    return (
        f"2 records are missing, from record {last - 1} of chain {chain}"
        f" to record {last} of chain {chain}"
    )


async def test_a_database_that_has_all_is_current(house: House) -> None:
    await record(house, "t1")
    await house.audit_log.keep_checkpoint()

    await require_current(house.audit_log, expected=True)

    assert (await compare(house.audit_log)).missing is None


async def test_an_older_database_is_told_with_the_first_and_the_last_record(
    house: House,
) -> None:
    missing = await go_back(house)

    with pytest.raises(BehindCheckpoint) as refused:
        await require_current(house.audit_log, expected=False)

    assert missing in str(refused.value)
    assert "keyrelay restore --accept" in str(refused.value)


async def test_another_record_in_its_place_is_told(house: House) -> None:
    await record(house, "t1")
    await house.audit_log.keep_checkpoint()
    await house.break_in("UPDATE audit_records SET mac = x'00' WHERE trigger = 't1'")

    with pytest.raises(BehindCheckpoint, match="is missing"):
        await require_current(house.audit_log, expected=False)


async def test_what_is_accepted_is_current_and_recorded(
    house: House, neighbour: House
) -> None:
    missing = await go_back(house)

    # Another process accepts it: this one has a chain that does not go on.
    assert await accept(neighbour.audit_log, PROFILE, ADA) == missing

    await require_current(neighbour.audit_log, expected=True)
    (entry,) = [
        each
        for each in await neighbour.trail.list(PROFILE, AuditQuery(kind="change"))
        if each.document["change"] == "restored"
    ]
    assert (entry.document["detail"], entry.document["actor"]) == (missing, ADA)
    assert (await neighbour.trail.verify()).breach is None


async def test_definitions_of_an_accepted_database_are_believed(
    house: House, neighbour: House
) -> None:
    await neighbour.policies.create(PROFILE, allow(), ADA)
    house.audit_log.checkpoint.path.unlink(missing_ok=True)

    assert await accept(house.audit_log, PROFILE, ADA) == "the checkpoint was missing"

    noted = (await compare(house.audit_log)).noted
    assert noted is not None
    assert noted.generations[PROFILE] == 1


async def test_without_a_checkpoint_a_process_is_new_where_none_is_expected(
    house: House,
) -> None:
    house.audit_log.checkpoint.path.unlink(missing_ok=True)

    await require_current(house.audit_log, expected=False)
    with pytest.raises(BehindCheckpoint, match="is missing: put it back"):
        await require_current(house.audit_log, expected=True)


async def test_a_forged_checkpoint_is_no_ground_to_work_on(house: House) -> None:
    house.audit_log.checkpoint.path.write_text("{}")

    with pytest.raises(Unavailable, match="keep it as evidence"):
        await require_current(house.audit_log, expected=False)
