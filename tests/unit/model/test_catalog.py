from dataclasses import replace

from keyrelay.model.catalog import Catalog, tokens_by_digest
from keyrelay.model.token import (
    AccessLevel,
    DigestedToken,
    Token,
    TokenKind,
    TokenRights,
)
from tests.samples import PROFILE, a_catalog

TOKEN = Token(
    id="7" * 24,
    profile=PROFILE,
    name="ci",
    rights=TokenRights(kind=TokenKind.PROFILE, level=AccessLevel.READ),
    prefix="p-AAAAAAAA",
    expires_at=None,
)
DIGEST = bytes(range(32))


def a_catalog_with(*tokens: DigestedToken) -> Catalog:
    return replace(a_catalog(), tokens=tokens_by_digest(tokens))


def test_a_token_is_found_by_the_whole_of_its_digest() -> None:
    other = DigestedToken(token=replace(TOKEN, id="8" * 24), digest=DIGEST[::-1])
    catalog = a_catalog_with(DigestedToken(token=TOKEN, digest=DIGEST), other)

    assert catalog.token(DIGEST) == TOKEN
    for at in range(len(DIGEST)):
        flipped = bytearray(DIGEST)
        flipped[at] ^= 1
        assert catalog.token(bytes(flipped)) is None


def test_of_no_tokens_none_is_found() -> None:
    assert a_catalog().token(DIGEST) is None
    assert a_catalog().token(bytes(32)) is None
