import pickle
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from keyrelay.model.credentials import parse_secret
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.secret import Secret
from keyrelay.model.tags import Tag
from keyrelay.model.token import Token, TokenKind, TokenRights
from keyrelay.ports import Unavailable, Unsealable
from keyrelay.vault.envelope import seal
from keyrelay.vault.flaw import Flaw
from keyrelay.vault.key import DataKey
from keyrelay.vault.keyring import Purpose, WrappedKey
from keyrelay.vault.vault import TOKEN_TYPE, Vault, authenticator
from tests.samples import Operator, secret_rules
from tests.unit.vault import vectors
from tests.unit.vault.exposure import everything_said
from tests.unit.vault.samples import (
    CANARY,
    ELSEWHERE,
    SECRET,
    Provider,
    local_key,
    permit,
    sealed_secret,
    value,
    vault,
)

Use = Callable[[Vault, bytes, Secret], Awaitable[None]]


async def opens(vault: Vault, envelope: bytes, secret: Secret) -> None:
    await vault.open(permit(envelope, secret))


async def verifies(vault: Vault, envelope: bytes, secret: Secret) -> None:
    await vault.verify(sealed_secret(envelope, secret))


both_ways = pytest.mark.parametrize("use", [opens, verifies])


async def test_a_sealed_value_opens_for_a_permit() -> None:
    one = await vault()

    opened = await one.open(permit(await one.seal(SECRET, value())))

    assert opened.secret == SECRET
    assert opened.value.reveal() == CANARY


async def test_a_sealed_value_is_verified_without_being_handed_out() -> None:
    one = await vault()
    envelope = await one.seal(SECRET, value())

    await one.verify(sealed_secret(envelope))


async def test_a_value_is_sealed_anew_under_new_tags_and_then_only_those() -> None:
    one = await vault()
    envelope = await one.seal(SECRET, value())
    changed = replace(SECRET, version=SECRET.version + 1, tags=(Tag("new", "tag"),))

    anew = await one.reseal(sealed_secret(envelope), changed)

    assert (await one.open(permit(anew, changed))).value.reveal() == CANARY
    with pytest.raises(Unsealable):
        await one.open(permit(anew, SECRET))


@pytest.mark.parametrize(
    "changed",
    [
        replace(SECRET, id="f" * 24),
        replace(SECRET, profile="f" * 24),
        replace(SECRET, key="another"),
        replace(SECRET, type="text"),
    ],
    ids=["id", "profile", "key", "type"],
)
async def test_a_value_is_not_sealed_anew_for_another_secret(changed: Secret) -> None:
    one = await vault()
    envelope = await one.seal(SECRET, value())

    with pytest.raises(ValueError, match="only the version and the tags"):
        await one.reseal(sealed_secret(envelope), changed)


async def test_an_opened_secret_neither_prints_nor_leaves_the_process() -> None:
    one = await vault()

    opened = await one.open(permit(await one.seal(SECRET, value())))

    assert CANARY not in f"{opened} {opened!r} {one!r}"
    with pytest.raises(TypeError, match="does not leave the process"):
        pickle.dumps(opened)


async def test_an_envelope_shows_nothing_of_the_value() -> None:
    one = await vault()

    envelope = await one.seal(SECRET, value())

    assert CANARY.encode() not in envelope


@both_ways
@pytest.mark.parametrize("secret", ELSEWHERE.values(), ids=ELSEWHERE.keys())
async def test_a_row_that_was_moved_or_changed_does_not_open(
    secret: Secret, use: Use
) -> None:
    one = await vault()
    envelope = await one.seal(SECRET, value())

    with pytest.raises(Unsealable, match=Flaw.TAMPERED) as refusal:
        await use(one, envelope, secret)

    assert CANARY not in everything_said(refusal.value)


async def test_two_rows_that_were_swapped_do_not_open_and_a_third_does() -> None:
    one = await vault()
    other, third = ELSEWHERE["another id"], ELSEWHERE["another key"]
    its, others, thirds = [
        await one.seal(secret, value()) for secret in (SECRET, other, third)
    ]

    with pytest.raises(Unsealable, match=Flaw.TAMPERED):
        await one.open(permit(its, other))
    with pytest.raises(Unsealable, match=Flaw.TAMPERED):
        await one.open(permit(others, SECRET))

    assert (await one.open(permit(thirds, third))).value.reveal() == CANARY


async def test_no_byte_in_the_database_may_change() -> None:
    one = await vault()
    envelope = await one.seal(SECRET, value())

    for position in range(len(envelope)):
        forged = bytearray(envelope)
        forged[position] ^= 1
        with pytest.raises(Unsealable) as refusal:
            await one.open(permit(bytes(forged)))
        assert CANARY not in everything_said(refusal.value)


def shortened(envelope: bytes) -> bytes:
    return envelope[:100]


def of_another_format(envelope: bytes) -> bytes:
    return b"X" + envelope[1:]


def of_another_data_key(envelope: bytes) -> bytes:
    return envelope[:6] + b"X" + envelope[7:]


def of_another_commitment(envelope: bytes) -> bytes:
    return envelope[:50] + b"X" * 32 + envelope[82:]


def altered(envelope: bytes) -> bytes:
    return envelope[:-1] + bytes([envelope[-1] ^ 1])


@both_ways
@pytest.mark.parametrize(
    ("forge", "flaw"),
    [
        (shortened, Flaw.UNSUPPORTED_FORMAT),
        (of_another_format, Flaw.UNSUPPORTED_FORMAT),
        (of_another_data_key, Flaw.DATA_KEY_MISSING),
        (of_another_commitment, Flaw.COMMITMENT_MISMATCH),
        (altered, Flaw.TAMPERED),
    ],
)
async def test_the_failure_tells_the_operator_which_flaw_it_was(
    forge: Callable[[bytes], bytes], flaw: Flaw, use: Use
) -> None:
    one = await vault()
    forged = forge(await one.seal(SECRET, value()))

    with pytest.raises(Unsealable) as refusal:
        await use(one, forged, SECRET)

    assert str(refusal.value) == f"its sealed value is refused ({flaw})"
    assert CANARY not in everything_said(refusal.value)


async def test_an_integrity_key_seals_no_value() -> None:
    one = await vault()
    integrity = await one.keyring.newest(Purpose.INTEGRITY)
    envelope = seal(integrity, one.keyring.store_id, SECRET, value())

    with pytest.raises(Unsealable, match=Flaw.DATA_KEY_MISSING):
        await one.open(permit(envelope))


async def test_a_value_sealed_with_an_older_key_opens() -> None:
    old, new = await vault(), await vault()
    envelope = await old.seal(SECRET, value())
    fresh = tuple(_later(wrapped) for wrapped in new.keyring.wrapped)
    keys = (*fresh, *old.keyring.wrapped)
    both = Vault(replace(old.keyring, wrapped=keys))

    opened = await both.open(permit(envelope))

    assert opened.value.reveal() == CANARY


def _later(wrapped: WrappedKey) -> WrappedKey:
    return replace(wrapped, id=wrapped.id[::-1])


async def test_a_sealed_vault_refuses_everything_until_its_key_is_back() -> None:
    provider = Provider(local_key(1))
    whole = await vault(provider.key)
    one = Vault(replace(whole.keyring, provider=provider))
    envelope = await whole.seal(SECRET, value())

    provider.key = local_key(2)
    attempts: list[Callable[[], Awaitable[object]]] = [
        one.check,
        lambda: one.seal(SECRET, value()),
        lambda: one.open(permit(envelope)),
        lambda: one.verify(sealed_secret(envelope)),
        lambda: one.authenticator("audit"),
    ]
    for attempt in attempts:
        with pytest.raises(Unavailable, match=r"sealed \(wrong key\)") as no:
            await attempt()
        assert CANARY not in everything_said(no.value)
    provider.key = local_key(1)

    await one.check()
    assert (await one.open(permit(envelope))).value.reveal() == CANARY


@pytest.mark.parametrize("missing", Purpose)
async def test_a_vault_that_lacks_a_key_is_not_ready(missing: Purpose) -> None:
    whole = await vault()
    keys = tuple(key for key in whole.keyring.wrapped if key.purpose is not missing)

    with pytest.raises(Unavailable, match=f"no {missing} key"):
        await Vault(replace(whole.keyring, wrapped=keys)).check()


async def test_a_vault_whose_key_is_gone_is_not_ready_though_it_still_opens() -> None:
    provider = Provider(local_key(1))
    one = Vault(replace((await vault()).keyring, provider=provider))
    await one.check()

    provider.key = local_key(2)

    with pytest.raises(Unavailable, match=r"sealed \(wrong key\)"):
        await one.check()
    await one.unsealed()  # until they are forgotten
    assert provider.asked == 4


async def test_plaintext_is_never_kept() -> None:
    one = await vault()
    envelope = await one.seal(SECRET, value())

    first = await one.open(permit(envelope))
    second = await one.open(permit(envelope))

    assert first.value is not second.value
    assert {type(kept.data_key) for kept in one.keyring._unwrapped.values()} == {
        DataKey
    }


async def test_what_is_authenticated_is_bound_to_label_message_and_vault() -> None:
    one, other = await vault(), await vault()
    audit = await one.authenticator("audit")

    codes = {
        audit(b"message"),
        audit(b"another"),
        (await one.authenticator("versions"))(b"message"),
        (await other.authenticator("audit"))(b"message"),
    }

    assert len(codes) == 4
    assert {len(code) for code in codes} == {32}
    assert (await one.authenticator("audit"))(b"message") == audit(b"message")


async def test_the_integrity_key_authenticates() -> None:
    one = await vault()
    integrity = await one.keyring.newest(Purpose.INTEGRITY)

    authenticate = await one.authenticator("audit")

    assert authenticate(b"message") == authenticator(integrity, "audit")(b"message")


async def test_an_authenticator_shows_no_key() -> None:
    one = await vault()
    integrity = await one.keyring.newest(Purpose.INTEGRITY)

    shown = repr(await one.authenticator("audit"))

    assert repr(integrity.key.derive("keyrelay/authentication/1/audit")) not in shown
    assert "authenticate" in shown


@pytest.mark.parametrize(("_", "vector"), vectors.read("authenticators"))
def test_authenticators_are_computed_as_by_an_older_version(
    _: str, vector: vectors.Vector
) -> None:
    key = vectors.data_key({"data_key_id": "0" * 24, **vector})

    code = authenticator(key, vector["label"])(bytes.fromhex(vector["message"]))

    assert code.hex() == vector["mac"]


def a_token(
    *,
    id_: str = SECRET.id,
    profile: str = SECRET.profile,
    analysis: str = SECRET.key,
    name: str = "boiler",
) -> Token:
    return Token(
        id=id_,
        profile=profile,
        name=name,
        rights=TokenRights(kind=TokenKind.ANALYSIS, analysis=analysis),
        prefix="a-AAAAAAAA",
        expires_at=None,
    )


async def test_a_token_of_an_analysis_opens_as_itself() -> None:
    one = await vault()

    envelope = await one.seal_token(a_token(), value())

    assert (await one.open_token(a_token(), envelope)).reveal() == CANARY
    # What it is called changes with the analysis.
    assert await one.open_token(a_token(name="attic"), envelope)
    assert CANARY.encode() not in envelope


@pytest.mark.parametrize(
    "other",
    [
        a_token(id_="7" * 24),
        a_token(profile="7" * 24),
        a_token(analysis="7" * 24),
    ],
    ids=["id", "profile", "analysis"],
)
async def test_a_token_s_envelope_opens_for_no_other_token(other: Token) -> None:
    one = await vault()
    envelope = await one.seal_token(a_token(), value())

    with pytest.raises(Unsealable):
        await one.open_token(other, envelope)


@pytest.mark.parametrize("type_", ["text", "smtp", "aws-sqs"])
async def test_what_opens_tokens_opens_no_secret_and_the_other_way_round(
    type_: str,
) -> None:
    one = await vault()
    alike = replace(SECRET, type=type_, version=1, tags=())
    secret = await one.seal(alike, value())
    token = await one.seal_token(a_token(), value())

    with pytest.raises(Unsealable):
        await one.open_token(a_token(), secret)
    with pytest.raises(Unsealable):
        await one.open(permit(token, alike))


async def test_tokens_of_other_kinds_are_never_sealed() -> None:
    one = await vault()
    plain = replace(a_token(), rights=TokenRights(kind=TokenKind.OPERATOR))

    with pytest.raises(ValueError, match="only the plaintexts of analysis tokens"):
        await one.seal_token(plain, value())
    with pytest.raises(ValueError, match="only the plaintexts of analysis tokens"):
        await one.open_token(plain, b"")


def test_no_secret_is_of_the_type_that_tokens_are_sealed_as() -> None:
    rules = secret_rules(Operator())

    assert TOKEN_TYPE not in rules.types
    with pytest.raises(InvalidDefinition, match="type must be one of"):
        parse_secret({"key": "k", "value": "v", "type": TOKEN_TYPE}, rules)
