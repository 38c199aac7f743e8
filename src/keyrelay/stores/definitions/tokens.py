"""Tokens: made, listed and revoked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Select, delete, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.databases.database import Database
from keyrelay.model.audit import Change
from keyrelay.model.documents import InvalidDefinition, without_read_only
from keyrelay.model.ids import Beginnings
from keyrelay.model.token import (
    TokenDraft,
    TokenKind,
    TokenRights,
    parse_token,
    prefix_of,
)
from keyrelay.stores.definitions.journal import Journal, Writing
from keyrelay.stores.definitions.listing import Listing, Noun, listed
from keyrelay.stores.definitions.token_making import NewToken, make_token
from keyrelay.stores.definitions.token_rows import (
    AnyToken,
    StoredToken,
    detail_of,
    stored_of,
)
from keyrelay.stores.refusals import NotFound
from keyrelay.stores.rows import ids_beginning
from keyrelay.stores.schema.tables import actions, analyses, tokens
from keyrelay.stores.unreadable import ONE, read_rows

_SORTS = {"name": ["folded"], "created_at": ["created_at"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenStore:
    """The tokens of all profiles; those of other kinds than `kinds` are not there.

    An operator token has the profile that it was made in, and rights of the whole
    installation: a face that may not make one is given a store without that kind.
    Those of analyses are made with them (definitions/analysis_tokens.py). The own token
    of a run, which ends with it, is not listed.

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
        async with self.journal.writing(profile, actor) as writing:
            await _require_actions(writing, draft.rights)
            return await make_token(writing, draft)

    async def revoke(self, profile: str, id_: str, actor: str) -> None:
        """Delete the token; no process takes it a second later.

        Raises NotFound, and InvalidDefinition for that of an analysis, which needs it.
        """
        async with self.journal.writing(profile, actor) as writing:
            before = await self._find(writing.connection, profile, id_)
            if isinstance(before, StoredToken):
                await _require_unneeded(writing, before)
            await writing.connection.execute(delete(tokens).where(tokens.c.id == id_))
            await writing.note(Noun.TOKEN, id_, Change.DELETED, detail_of(before))

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
        wanted = self._listed(profile).where(
            or_(tokens.c.name == text, tokens.c.prefix == prefix_of(text))
        )
        ids = wanted.with_only_columns(tokens.c.id).order_by(tokens.c.id)
        async with self.database.reading() as connection:
            return (await connection.scalars(ids)).all()

    async def list(self, profile: str, listing: Listing) -> tuple[AnyToken, ...]:
        """Return the tokens; one that cannot be read hides no others."""
        wanted = listed(self._listed(profile), tokens, Noun.TOKEN, listing, _SORTS)
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

    def _listed(self, profile: str) -> Select[tuple[object, ...]]:
        return self._of(profile).where(tokens.c.run.is_(None))

    def _of(self, profile: str) -> Select[tuple[object, ...]]:
        kinds = [kind.word for kind in self.kinds]
        return select(tokens).where(
            tokens.c.profile == profile, tokens.c.kind.in_(kinds)
        )


async def _require_actions(writing: Writing, rights: TokenRights) -> None:
    for id_ in sorted(rights.actions or ()):
        there = select(actions.c.id).where(
            actions.c.profile == writing.profile, actions.c.id == id_
        )
        if await writing.connection.scalar(there) is None:
            raise InvalidDefinition(f"there is no action {id_}")


async def _require_unneeded(writing: Writing, stored: StoredToken) -> None:
    """Refuse the token of an analysis; one that was put in by hand is not its own."""
    id_, analysis = stored.token.id, stored.token.rights.analysis
    there = select(analyses.c.id).where(
        analyses.c.profile == writing.profile, analyses.c.id == analysis
    )
    if analysis is None or await writing.connection.scalar(there) is None:
        return
    if await writing.flaw(Noun.TOKEN, id_) is None:
        raise InvalidDefinition(
            f"token {id_} is that of analysis {analysis}, and ends with it: to have"
            " another one, let the analysis run on `external`, and then on `tago`"
        )
