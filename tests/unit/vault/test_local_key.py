import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.ports import Unavailable
from keyrelay.vault.flaw import Flaw
from keyrelay.vault.key import Key, new_key
from keyrelay.vault.keyring import Purpose, _context
from keyrelay.vault.local_key import LocalKey, key_text, parse_key
from tests.unit.vault import vectors
from tests.unit.vault.exposure import everything_said
from tests.unit.vault.samples import local_key

PROVIDER, DATA = local_key(1), new_key()
CONTEXT = b"context"
TEXT = key_text(PROVIDER.key)
BASE64URL = string.ascii_letters + string.digits + "-_"


@given(st.binary(min_size=32, max_size=32))
def test_a_key_is_read_from_its_own_text(material: bytes) -> None:
    read = parse_key(key_text(Key(material)))

    assert read is not None
    assert read.reveal() == material


def test_a_key_has_one_spelling() -> None:
    spellings = [TEXT[:-1] + last for last in BASE64URL]

    # 43 characters hold two bits more than 32 bytes do: 16 of 64 are canonical.
    assert sum(parse_key(text) is not None for text in spellings) == 16


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param(TEXT[:-1], id="a character less"),
        pytest.param(TEXT + "A", id="a character more"),
        pytest.param(TEXT + "=", id="padding"),
        pytest.param(TEXT.replace("-1-", "-2-"), id="another version"),
        pytest.param(TEXT.lower(), id="lower case"),
        pytest.param(TEXT[:-3] + "+/A", id="the other base64"),
        pytest.param(TEXT[:-3] + "ééA", id="other letters"),
        pytest.param(TEXT[:-3] + "٣٣A", id="other digits"),
    ],
)
def test_nothing_else_is_a_key(text: str) -> None:
    assert parse_key(text) is None


async def test_what_is_wrapped_unwraps() -> None:
    wrapped = await PROVIDER.wrap(DATA, CONTEXT)

    unwrapped = await PROVIDER.unwrap(wrapped, CONTEXT)

    assert unwrapped.reveal() == DATA.reveal()
    assert DATA.reveal() not in wrapped


async def test_two_wrappings_of_one_key_share_nothing() -> None:
    one, other = [await PROVIDER.wrap(DATA, CONTEXT) for _ in range(2)]

    assert one[1:13] != other[1:13]
    assert one[13:] != other[13:]


async def test_no_byte_of_a_wrapped_key_may_change() -> None:
    wrapped = await PROVIDER.wrap(DATA, CONTEXT)

    for position in range(len(wrapped)):
        forged = bytearray(wrapped)
        forged[position] ^= 1
        flaw = Flaw.TAMPERED if position else Flaw.UNSUPPORTED_FORMAT
        with pytest.raises(Unavailable, match=flaw):
            await PROVIDER.unwrap(bytes(forged), CONTEXT)


async def test_no_byte_of_a_wrapped_key_may_be_missing_or_added() -> None:
    wrapped = await PROVIDER.wrap(DATA, CONTEXT)

    for length in (*range(len(wrapped)), len(wrapped) + 1):
        with pytest.raises(Unavailable, match=Flaw.UNSUPPORTED_FORMAT):
            await PROVIDER.unwrap((wrapped + b"x")[:length], CONTEXT)


@pytest.mark.parametrize(
    ("provider", "context"),
    [(local_key(2), CONTEXT), (PROVIDER, b"another")],
    ids=["key", "context"],
)
async def test_a_wrapped_key_unwraps_only_where_it_was_wrapped(
    provider: LocalKey, context: bytes
) -> None:
    wrapped = await PROVIDER.wrap(DATA, CONTEXT)

    with pytest.raises(Unavailable, match=Flaw.TAMPERED) as refusal:
        await provider.unwrap(wrapped, context)

    said = everything_said(refusal.value)
    for key in (DATA, provider.key):
        assert key.reveal().hex() not in said
        assert repr(key.reveal()) not in said


def test_a_key_has_a_short_public_name_of_its_own() -> None:
    names = {local_key(byte).id for byte in range(64)}

    assert len(names) == 64
    assert {len(name) for name in names} == {16}
    assert local_key(1).id == PROVIDER.id


@given(st.binary(min_size=32, max_size=32))
def test_the_public_name_holds_nothing_of_the_key(material: bytes) -> None:
    name = bytes.fromhex(LocalKey(Key(material)).id)

    assert name not in material


def test_a_local_key_is_never_shown() -> None:
    assert repr(PROVIDER) == "LocalKey(key=Key(…))"


@pytest.mark.parametrize(("_", "vector"), vectors.read("wrapped_keys"))
async def test_a_key_wrapped_by_an_older_version_unwraps(
    _: str, vector: vectors.Vector
) -> None:
    key = parse_key(vector["key_file"])
    assert key is not None
    provider = LocalKey(key)
    context = _context(
        vector["store_id"], vector["data_key_id"], Purpose(vector["purpose"])
    )

    unwrapped = await provider.unwrap(bytes.fromhex(vector["wrapped"]), context)

    assert provider.id == vector["provider_key"]
    assert unwrapped.reveal().hex() == vector["data_key"]
