"""Tokens: made and revoked; of their plaintexts, digests are kept."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Select, delete, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.databases.database import Database
from keyrelay.model.audit import Change
from keyrelay.model.documents import InvalidDefinition, without_read_only
from keyrelay.model.ids import Beginnings
from keyrelay.model.secret import SecretValue
from keyrelay.model.token import (
    ENTROPY,
    Token,
    TokenDraft,
    TokenKind,
    parse_token,
    plaintext_of,
    prefix_of,
)
from keyrelay.stores.definitions.journal import Journal
from keyrelay.stores.definitions.listing import Listing, Noun, listed
from keyrelay.stores.definitions.token_rows import (
    StoredToken,
    digest_of,
    row_of,
    stored_of,
)
from keyrelay.stores.refusals import NotFound
from keyrelay.stores.rows import ids_beginning
from keyrelay.stores.schema.tables import actions, tokens
from keyrelay.stores.unreadable import ONE, UnreadableRow, read_rows

AnyToken = StoredToken | UnreadableRow

_SORTS = {"name": ["folded"], "created_at": ["created_at"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A token that was just made: `plaintext` is nowhere else, and is shown once."""

    stored: StoredToken
    plaintext: SecretValue


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenStore:
    """The tokens of all profiles; those of other kinds than `kinds` are not there.

    An operator token has the profile that it was made in, and rights of the whole
    installation: a face that may not make one is given a store without that kind.

    Each method raises Unavailable; `create` raises InvalidDefinition, too.
    """

    database: Database
    journal: Journal
    kinds: Sequence[TokenKind] = tuple(TokenKind)

    async def create(
        self, profile: str, document: Mapping[str, object], actor: str
    ) -> NewToken:
        """Make a token as the document says (`parse_token`)."""
        draft = self._draft(document)
        world, vault = self.journal.audit_log.world, self.journal.audit_log.vault
        plaintext = plaintext_of(draft.rights.kind, secrets.token_bytes(ENTROPY))
        digest = await digest_of(vault, plaintext.reveal())
        now = world.now()
        token = Token(
            id=world.new_id(now),
            profile=profile,
            name=draft.name,
            rights=draft.rights,
            prefix=prefix_of(plaintext.reveal()),
            expires_at=draft.expires_at,
        )
        stored = StoredToken(token=token, created_by=actor, created_at=now)
        async with self.journal.writing(profile, actor) as writing:
            await _require_actions(writing.connection, token)
            row = row_of(stored, digest)
            await writing.connection.execute(insert(tokens).values(row))
            await writing.note(Noun.TOKEN, token.id, Change.CREATED, _detail(token))
        return NewToken(stored=stored, plaintext=plaintext)

    async def revoke(self, profile: str, id_: str, actor: str) -> None:
        """Delete the token; no process takes it a second later. Raises NotFound."""
        async with self.journal.writing(profile, actor) as writing:
            before = await self._find(writing.connection, profile, id_)
            await writing.connection.execute(delete(tokens).where(tokens.c.id == id_))
            detail = name_of(before)
            if isinstance(before, StoredToken):
                detail = _detail(before.token)
            await writing.note(Noun.TOKEN, id_, Change.DELETED, detail)

    async def get(self, profile: str, id_: str) -> AnyToken:
        """Raises NotFound."""
        async with self.database.reading() as connection:
            return await self._find(connection, profile, id_)

    async def beginning(self, profile: str, sought: Beginnings) -> Sequence[str]:
        """Return the ids that begin so, sorted."""
        return await ids_beginning(self.database, tokens.c.id, profile, sought)

    async def called(self, profile: str, text: str) -> Sequence[str]:
        """Return the ids of those with that name or prefix, sorted.

        Of a whole plaintext, its prefix is looked for.
        """
        wanted = self._of(profile).where(
            or_(tokens.c.name == text, tokens.c.prefix == prefix_of(text))
        )
        ids = wanted.with_only_columns(tokens.c.id).order_by(tokens.c.id)
        async with self.database.reading() as connection:
            return (await connection.scalars(ids)).all()

    async def list(self, profile: str, listing: Listing) -> tuple[AnyToken, ...]:
        """Return the tokens; one that cannot be read hides no others."""
        wanted = listed(self._of(profile), tokens, Noun.TOKEN, listing, _SORTS)
        async with self.database.reading() as connection:
            return tuple(
                await read_rows(connection, wanted, listing.page.slice, stored_of)
            )

    def _draft(self, document: Mapping[str, object]) -> TokenDraft:
        draft = parse_token(without_read_only(document))
        kind = draft.rights.kind
        if kind not in self.kinds:
            raise InvalidDefinition(
                f"{kind.word} tokens are made by `keyrelay token create` alone"
            )
        if draft.is_expired(self.journal.audit_log.world.now()):
            raise InvalidDefinition("expire_time has passed already: give a later one")
        return draft

    async def _find(
        self, connection: AsyncConnection, profile: str, id_: str
    ) -> AnyToken:
        wanted = self._of(profile).where(tokens.c.id == id_)
        for stored in await read_rows(connection, wanted, ONE, stored_of):
            return stored
        raise NotFound(Noun.TOKEN, id_)

    def _of(self, profile: str) -> Select[tuple[object, ...]]:
        kinds = [kind.word for kind in self.kinds]
        return select(tokens).where(
            tokens.c.profile == profile, tokens.c.kind.in_(kinds)
        )


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


def _detail(token: Token) -> str:
    """Return what the audit record says: nothing that helps to guess the token."""
    rights = token.rights
    may = "" if rights.level is None else f", {rights.level.word}"
    return f"{token.name}: {rights.kind.word}{may}, {token.prefix}"


async def _require_actions(connection: AsyncConnection, token: Token) -> None:
    for id_ in sorted(token.rights.actions or ()):
        there = select(actions.c.id).where(
            actions.c.profile == token.profile, actions.c.id == id_
        )
        if await connection.scalar(there) is None:
            raise InvalidDefinition(f"there is no action {id_}")
