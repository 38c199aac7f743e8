"""Key status: what a sealed vault, a whole one and a broken secret look like."""

from dataclasses import replace
from datetime import timedelta

import pytest

from keyrelay.model.pause import PauseKind, SharedPause
from keyrelay.ports import Unavailable
from keyrelay.services.key_status import Examination, KeyInspection
from keyrelay.stores.pauses import PauseRecords, WorkerPauses
from keyrelay.vault.keyring import KeyEncryptionKey, Keyring
from keyrelay.vault.vault import Vault
from tests.contract.stores.house import House
from tests.samples import NOON


def no_key() -> KeyEncryptionKey:
    raise Unavailable("there is no key file")


def pauses_of(house: House) -> PauseRecords:
    return PauseRecords(database=house.database, world=house.audit_log.world)


def inspection(house: House) -> KeyInspection:
    return KeyInspection(guard=house.catalog.guard, pauses=pauses_of(house))


async def test_secrets_are_examined_only_when_asked(house: House) -> None:
    await house.new_secret("one")
    await house.new_secret("two")

    unasked = await inspection(house).status(examine_secrets=False)
    asked = await inspection(house).status(examine_secrets=True)

    assert unasked.sealed is asked.sealed is None
    assert len(unasked.keys) == 2
    assert unasked.examination is None
    assert asked.examination == Examination(definitions=2, secrets=2, broken=[])


async def test_a_secret_that_does_not_open_is_named(house: House) -> None:
    await house.new_secret("one")
    id_ = await house.new_secret("two")
    await house.break_in(
        "UPDATE secrets SET envelope = substr(envelope, 2) WHERE key = 'two'"
    )

    found = await inspection(house).status(examine_secrets=True)

    assert found.examination is not None
    assert found.examination.secrets == 2
    assert [secret.id for secret in found.examination.broken] == [id_]


@pytest.mark.parametrize("examine", [True, False])
async def test_a_sealed_vault_says_why_and_examines_nothing(
    house: House, *, examine: bool
) -> None:
    vault, keyring = house.audit_log.vault, house.audit_log.vault.keyring
    sealed = Vault(
        Keyring(
            store_id=keyring.store_id,
            wrapped=keyring.wrapped,
            provider=no_key,
            now=house.clock.now,
        )
    )

    guard = replace(house.catalog.guard, vault=sealed)
    inspected = KeyInspection(guard=guard, pauses=pauses_of(house))
    found = await inspected.status(examine_secrets=examine)

    assert found.sealed is not None
    assert "there is no key file" in found.sealed
    assert found.keys == vault.keyring.wrapped
    assert found.examination is None


async def test_paused_secrets_are_counted_once_for_each_kind(house: House) -> None:
    secrets = [await house.new_secret(key) for key in ("one", "two", "three")]
    pauses = [
        SharedPause(
            secret=secret,
            version=1,
            reason="no",
            length=timedelta(minutes=1),
            probe_at=NOON,
        )
        for secret in secrets
    ]
    world = house.audit_log.world
    for name in ("north", "south"):
        worker = WorkerPauses(database=house.database, world=world, id=name, name=name)
        await worker.keep_unreachable(pauses[:1])
        for pause in pauses[1:]:
            await worker.keep_refused(pause)

    found = await inspection(house).status(examine_secrets=False)

    assert found.paused == {PauseKind.REFUSED: 2, PauseKind.UNREACHABLE: 1}
