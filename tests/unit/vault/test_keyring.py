from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from keyrelay.model.ids import is_id, new_id
from keyrelay.ports import Unavailable
from keyrelay.vault.flaw import Flaw
from keyrelay.vault.key import new_key
from keyrelay.vault.keyring import Keyring, Purpose, WrappedKey, new_keys
from keyrelay.vault.local_key import key_text
from keyrelay.vault.providers import environment, file
from tests.unit.vault.samples import (
    NOON,
    STORE,
    Clock,
    Provider,
    local_key,
    wrapped_keys,
)

RIGHT, WRONG = local_key(1), local_key(2)
MINUTES = timedelta(minutes=5)


async def keyring(
    provider: Provider | None = None, clock: Clock | None = None, store_id: str = STORE
) -> Keyring:
    return Keyring(
        store_id=store_id,
        wrapped=await wrapped_keys(RIGHT),
        provider=provider or Provider(RIGHT),
        now=clock or Clock(),
    )


async def test_a_new_store_has_one_key_for_each_purpose() -> None:
    keys = await new_keys(RIGHT, STORE, lambda: NOON, new_id)

    assert [key.purpose for key in keys] == list(Purpose)
    assert len({key.id for key in keys}) == len(keys)
    assert all(is_id(key.id) for key in keys)
    assert {key.provider_key for key in keys} == {RIGHT.id}
    assert {key.created_at for key in keys} == {NOON}


async def test_the_keys_of_two_purposes_differ() -> None:
    ring = await keyring()

    secrets = await ring.newest(Purpose.SECRETS)
    integrity = await ring.newest(Purpose.INTEGRITY)

    assert secrets.key.reveal() != integrity.key.reveal()


async def test_the_newest_key_is_used_and_any_is_found() -> None:
    old = await wrapped_keys(RIGHT)
    new = await new_keys(RIGHT, STORE, lambda: NOON + timedelta(days=1), new_id)
    for wrapped in (old + new, new + old):
        ring = Keyring(
            store_id=STORE, wrapped=wrapped, provider=Provider(RIGHT), now=Clock()
        )

        newest = await ring.newest(Purpose.SECRETS)
        older = await ring.find(old[0].id, Purpose.SECRETS)

        assert newest.id == new[0].id
        assert older is not None
        assert older.id == old[0].id
        assert older.key.reveal() != newest.key.reveal()


async def test_a_key_is_found_for_its_own_purpose_only() -> None:
    ring = await keyring()
    integrity = await ring.newest(Purpose.INTEGRITY)

    assert await ring.find(integrity.id, Purpose.SECRETS) is None
    assert await ring.find("f" * 24, Purpose.SECRETS) is None


async def test_a_keyring_without_keys_is_sealed() -> None:
    ring = Keyring(store_id=STORE, wrapped=(), provider=Provider(RIGHT), now=Clock())

    with pytest.raises(Unavailable, match=r"data key missing.*keyrelay init"):
        await ring.newest(Purpose.SECRETS)


async def test_a_wrong_key_keeps_it_sealed_and_the_right_one_unseals_it() -> None:
    provider = Provider(WRONG)
    ring = await keyring(provider)
    before = tuple(ring.wrapped)

    with pytest.raises(Unavailable, match=Flaw.WRONG_KEY) as refusal:
        await ring.newest(Purpose.SECRETS)
    provider.key = RIGHT
    unsealed = await ring.newest(Purpose.SECRETS)

    assert RIGHT.id in str(refusal.value)
    assert WRONG.id in str(refusal.value)
    assert unsealed.id == before[0].id
    assert tuple(ring.wrapped) == before


async def test_a_key_file_put_back_unseals_it(tmp_path: Path) -> None:
    path = tmp_path / "key"
    ring = Keyring(
        store_id=STORE,
        wrapped=await wrapped_keys(RIGHT),
        provider=partial(file.load, path),
        now=Clock(),
    )

    with pytest.raises(Unavailable, match=Flaw.KEY_UNAVAILABLE):
        await ring.newest(Purpose.SECRETS)
    path.write_text(key_text(RIGHT.key))
    path.chmod(0o600)

    assert await ring.newest(Purpose.SECRETS)
    assert path.read_text() == key_text(RIGHT.key)


async def test_a_tampered_key_is_told_apart_from_a_wrong_one() -> None:
    whole = await keyring()
    first, second = whole.wrapped
    damaged = replace(first, wrapped=first.wrapped[:-1] + b"x")
    ring = replace(whole, wrapped=(damaged, second))

    with pytest.raises(Unavailable, match=r"tampered.*restore the database"):
        await ring.newest(Purpose.SECRETS)

    assert await ring.newest(Purpose.INTEGRITY)


def swapped(first: WrappedKey, second: WrappedKey) -> WrappedKey:
    return replace(first, wrapped=second.wrapped)


def renamed(first: WrappedKey, second: WrappedKey) -> WrappedKey:
    return replace(first, id=second.id)


def repurposed(_: WrappedKey, second: WrappedKey) -> WrappedKey:
    return replace(second, purpose=Purpose.SECRETS)


@pytest.mark.parametrize("forge", [swapped, renamed, repurposed])
async def test_a_wrapped_key_is_good_for_its_id_and_purpose_only(
    forge: Callable[[WrappedKey, WrappedKey], WrappedKey],
) -> None:
    ring = await keyring()
    first, second = ring.wrapped
    forged = forge(first, second)

    with pytest.raises(Unavailable, match=Flaw.TAMPERED):
        await replace(ring, wrapped=(forged,)).newest(Purpose.SECRETS)


async def test_a_wrapped_key_is_good_for_its_store_only() -> None:
    ring = await keyring(store_id="b" * 24)

    with pytest.raises(Unavailable, match=Flaw.TAMPERED):
        await ring.newest(Purpose.SECRETS)


async def test_a_key_is_kept_unwrapped_for_five_minutes_and_no_longer() -> None:
    provider, clock = Provider(RIGHT), Clock()
    ring = await keyring(provider, clock)

    await ring.newest(Purpose.SECRETS)
    clock.advance(MINUTES - timedelta(microseconds=1))
    await ring.newest(Purpose.SECRETS)
    kept = provider.asked
    clock.advance(timedelta(microseconds=1))
    await ring.newest(Purpose.SECRETS)

    assert (kept, provider.asked) == (1, 2)


async def test_a_clock_set_back_does_not_keep_a_key_for_longer() -> None:
    provider, clock = Provider(RIGHT), Clock()
    ring = await keyring(provider, clock)

    await ring.newest(Purpose.SECRETS)
    clock.advance(timedelta(seconds=-1))
    await ring.newest(Purpose.SECRETS)

    assert provider.asked == 2


async def test_a_key_that_is_not_asked_for_again_is_forgotten_with_the_others() -> None:
    clock = Clock()
    ring = await keyring(clock=clock)

    secrets = await ring.newest(Purpose.SECRETS)
    clock.advance(MINUTES)
    integrity = await ring.newest(Purpose.INTEGRITY)

    assert secrets.id not in ring._unwrapped
    assert integrity.id in ring._unwrapped


async def test_the_vault_seals_itself_minutes_after_its_key_was_taken_away() -> None:
    provider, clock = Provider(RIGHT), Clock()
    ring = await keyring(provider, clock)
    await ring.newest(Purpose.SECRETS)

    provider.key = WRONG
    assert await ring.newest(Purpose.SECRETS)
    clock.advance(MINUTES)

    with pytest.raises(Unavailable, match=Flaw.WRONG_KEY):
        await ring.newest(Purpose.SECRETS)


async def test_a_keyring_shows_no_key() -> None:
    ring = await keyring()
    key = await ring.newest(Purpose.SECRETS)

    shown = repr(ring)

    assert repr(key.key.reveal()) not in shown
    assert key.key.reveal().hex() not in shown


async def test_a_keyring_does_not_show_its_provider() -> None:
    text = key_text(new_key())
    ring = Keyring(
        store_id="store",
        wrapped=(),
        provider=partial(environment.load, text),
        now=lambda: NOON,
    )

    assert text not in repr(ring)
