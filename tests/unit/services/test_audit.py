"""Audit: all records of a profile, of any number, and the attempts among them."""

import pytest

from keyrelay.services.attempts import AttemptReading
from keyrelay.services.audit import AuditReading
from keyrelay.stores.attempts import AttemptQuery
from keyrelay.stores.audit.projection import ATTEMPT
from keyrelay.stores.audit.record_query import AuditQuery
from keyrelay.stores.refusals import NotFound
from tests.contract.stores.house import House
from tests.contract.stores.records import attempt
from tests.samples import OTHER_PROFILE, PROFILE

ATTEMPTS = AuditQuery(kind=ATTEMPT, amount=1)


async def test_records_of_several_pages_are_each_read_once(house: House) -> None:
    await house.audit_log.keep_records([attempt(f"t{n}") for n in range(1001)])
    reading = AuditReading(trail=house.trail)

    records = [entry async for entry in reading.records(PROFILE, ATTEMPTS)]
    some = [entry async for entry in reading.records(PROFILE, ATTEMPTS, 600)]
    others = [entry async for entry in reading.records(OTHER_PROFILE, ATTEMPTS)]

    assert {entry.document["trigger"] for entry in records} == {
        f"t{n}" for n in range(1001)
    }
    assert len(records) == 1001
    assert some == records[:600]
    assert others == []


async def test_a_record_of_another_kind_is_no_attempt(house: House) -> None:
    await house.new_secret()
    await house.audit_log.keep_records([attempt("t1")])
    reading = AuditReading(trail=house.trail)
    [change] = [e async for e in reading.records(PROFILE, AuditQuery(kind="change"), 1)]
    [record] = [e async for e in reading.records(PROFILE, ATTEMPTS)]

    attempts = AttemptReading(attempts=house.attempts, trail=house.trail)

    found = await attempts.record(PROFILE, record.id)

    assert found == record
    with pytest.raises(NotFound):
        await attempts.record(PROFILE, change.id)


async def test_attempts_of_several_pages_are_each_read_once(house: House) -> None:
    await house.audit_log.keep_records([attempt(f"t{n}") for n in range(1001)])
    reading = AttemptReading(attempts=house.attempts, trail=house.trail)
    every = AttemptQuery(amount=1)

    records = [entry async for entry in reading.records(PROFILE, every)]
    some = [entry async for entry in reading.records(PROFILE, every, 600)]
    others = [entry async for entry in reading.records(OTHER_PROFILE, every)]

    assert sorted(str(entry.document["trigger"]) for entry in records) == sorted(
        f"t{n}" for n in range(1001)
    )
    assert some == records[:600]
    assert others == []
