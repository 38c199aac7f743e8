"""Key status: what a sealed vault, a whole one and a broken secret look like."""

from dataclasses import replace

import pytest

from keyrelay.ports import Unavailable
from keyrelay.services.key_status import Examination, KeyInspection
from keyrelay.vault.keyring import KeyEncryptionKey, Keyring
from keyrelay.vault.vault import Vault
from tests.contract.stores.house import House


def no_key() -> KeyEncryptionKey:
    raise Unavailable("there is no key file")


def inspection(house: House) -> KeyInspection:
    return KeyInspection(database=house.database, guard=house.catalog.guard)


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
    inspected = KeyInspection(database=house.database, guard=guard)
    found = await inspected.status(examine_secrets=examine)

    assert found.sealed is not None
    assert "there is no key file" in found.sealed
    assert found.keys == vault.keyring.wrapped
    assert found.examination is None
