"""Token rows: between a token and its row, which holds a digest of its plaintext.

    digest = HMAC(plaintext), under the key that the vault keeps for tokens alone

A database alone is of no use: without that key, plaintexts can be neither tried nor
made up. That of an analysis' token is kept, too, in an envelope of the vault.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from keyrelay.model.documents import InvalidDefinition, parse_document
from keyrelay.model.token import DigestedToken, Token, parse_rights, rights_document
from keyrelay.stores.definitions.wildcard import fold
from keyrelay.stores.unreadable import AnyRow, UnreadableRow
from keyrelay.vault.vault import Vault

_LABEL = "tokens"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredToken:
    token: Token
    created_by: str
    created_at: datetime


AnyToken = StoredToken | UnreadableRow


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedToken:
    """An analysis' token, and the envelope of its plaintext."""

    token: Token
    envelope: bytes


async def digest_of(vault: Vault, plaintext: str) -> bytes:
    """Return the digest of any text. Raises Unavailable while the vault is sealed."""
    authenticate = await vault.authenticator(_LABEL)
    # What comes over a wire may hold half a surrogate, and is no token then.
    return authenticate(plaintext.encode(errors="surrogatepass"))


def row_of(
    stored: StoredToken, digest: bytes, envelope: bytes | None
) -> Mapping[str, object]:
    """Return the row; only an analysis' token has an envelope."""
    token = stored.token
    return {
        "id": token.id,
        "profile": token.profile,
        "name": token.name,
        "folded": fold(token.name),
        "kind": token.rights.kind.word,
        "document": json.dumps(rights_document(token.rights)),
        "digest": digest,
        "prefix": token.prefix,
        "created_by": stored.created_by,
        "expires_at": token.expires_at,
        "analysis": token.rights.analysis,
        "run": token.rights.run,
        "envelope": envelope,
        "created_at": stored.created_at,
        "updated_at": stored.created_at,
    }


def stored_of(row: AnyRow) -> StoredToken:
    """Return the row's token; ValueError (as InvalidDefinition) if it was altered."""
    return StoredToken(
        token=_token_of(row), created_by=row.created_by, created_at=row.created_at
    )


def digested_of(row: AnyRow) -> DigestedToken:
    """As `stored_of`."""
    if not isinstance(row.digest, bytes):
        raise InvalidDefinition("its digest is of another type")
    return DigestedToken(token=_token_of(row), digest=row.digest)


def sealed_of(row: AnyRow) -> SealedToken:
    """As `stored_of`."""
    if not isinstance(row.envelope, bytes):
        raise InvalidDefinition("its envelope is of another type")
    return SealedToken(token=_token_of(row), envelope=row.envelope)


def id_of(stored: AnyToken) -> str:
    match stored:
        case StoredToken():
            return stored.token.id
        case UnreadableRow():
            return stored.text("id")


def name_of(stored: AnyToken) -> str:
    match stored:
        case StoredToken():
            return stored.token.name
        case UnreadableRow():
            return stored.text("name")


def detail_of(stored: AnyToken) -> str:
    """Return what an audit record says: nothing that helps to guess the token."""
    match stored:
        case StoredToken(token=token):
            return token_detail(token)
        case UnreadableRow():
            return name_of(stored)


def token_detail(token: Token) -> str:
    """As `detail_of`."""
    rights = token.rights
    may = "" if rights.level is None else f", {rights.level.word}"
    whose = "" if rights.run is None else f" of run {rights.run}"
    return f"{token.name}: {rights.kind.word}{whose}{may}, {token.prefix}"


def _token_of(row: AnyRow) -> Token:
    return Token(
        id=row.id,
        profile=row.profile,
        name=row.name,
        rights=parse_rights(parse_document(str(row.document))),
        prefix=row.prefix,
        expires_at=row.expires_at,
    )
