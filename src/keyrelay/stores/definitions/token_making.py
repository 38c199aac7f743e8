"""Token making: a new token, of whose plaintext a digest is kept."""

import secrets
from dataclasses import dataclass

from sqlalchemy import insert

from keyrelay.model.audit import Change
from keyrelay.model.secret import SecretValue
from keyrelay.model.token import (
    ENTROPY,
    Token,
    TokenDraft,
    TokenKind,
    plaintext_of,
    prefix_of,
)
from keyrelay.stores.definitions.journal import Writing
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.definitions.token_rows import (
    StoredToken,
    detail_of,
    digest_of,
    row_of,
)
from keyrelay.stores.schema.tables import tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A token that was just made: its `plaintext` is shown once.

    That of an analysis' token is kept sealed; of all others, it is nowhere else.
    """

    stored: StoredToken
    plaintext: SecretValue


async def make_token(writing: Writing, draft: TokenDraft) -> NewToken:
    """Keep a new token, with its record. Raises Unavailable."""
    vault, world = writing.audit_log.vault, writing.audit_log.world
    plaintext = plaintext_of(draft.rights.kind, secrets.token_bytes(ENTROPY))
    token = Token(
        id=world.new_id(writing.at),
        profile=writing.profile,
        name=draft.name,
        rights=draft.rights,
        prefix=prefix_of(plaintext.reveal()),
        expires_at=draft.expires_at,
    )
    is_sealed = draft.rights.kind is TokenKind.ANALYSIS
    envelope = await vault.seal_token(token, plaintext) if is_sealed else None
    digest = await digest_of(vault, plaintext.reveal())
    stored = StoredToken(token=token, created_by=writing.actor, created_at=writing.at)
    row = row_of(stored, digest, envelope)
    await writing.connection.execute(insert(tokens).values(row))
    await writing.note(Noun.TOKEN, token.id, Change.CREATED, detail_of(stored))
    return NewToken(stored=stored, plaintext=plaintext)
