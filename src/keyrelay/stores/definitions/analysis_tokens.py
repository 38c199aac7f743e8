"""Analysis tokens: each analysis has a main token, which comes and goes with it.

They are changed within a transaction of the analysis. The vault's keys should be at
hand when it begins (`Vault.unsealed`), so that no other writer waits for one.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import Select, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.model.audit import Change
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.secret import SecretValue
from keyrelay.model.token import TokenDraft, TokenKind, TokenRights
from keyrelay.stores.definitions.journal import Journal, Writing
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.definitions.token_making import NewToken, make_token
from keyrelay.stores.definitions.token_rows import (
    SealedToken,
    StoredToken,
    detail_of,
    id_of,
    sealed_of,
    stored_of,
    token_detail,
)
from keyrelay.stores.definitions.wildcard import fold
from keyrelay.stores.schema.tables import tokens
from keyrelay.stores.unreadable import UnreadableRow, read_all, require_readable


async def make_main_token(writing: Writing, analysis: str, name: str) -> NewToken:
    """Make the main token of an analysis of that name. Raises Unavailable."""
    rights = TokenRights(kind=TokenKind.ANALYSIS, analysis=analysis)
    return await make_token(
        writing, TokenDraft(name=name, rights=rights, expires_at=None)
    )


async def renew_main_token(writing: Writing, analysis: str, name: str) -> NewToken:
    """Make another main token; the one before is worth nothing a second later."""
    await _remove(writing, _main_tokens(writing.profile, analysis))
    return await make_main_token(writing, analysis, name)


async def rename_main_token(writing: Writing, analysis: str, name: str) -> None:
    """Let the token have the name that the analysis has now."""
    main = _main_tokens(writing.profile, analysis)
    for stored in await read_all(writing.connection, main, {}, stored_of):
        if not isinstance(stored, StoredToken):
            continue
        id_ = stored.token.id
        if await writing.flaw(Noun.TOKEN, id_) is not None:
            continue  # it is not vouched for, and is not to be
        renamed = update(tokens).where(tokens.c.id == id_)
        await writing.connection.execute(renamed.values(name=name, folded=fold(name)))
        await writing.note(Noun.TOKEN, id_, Change.EDITED, f"{name}: name")


async def remove_tokens(writing: Writing, analysis: str) -> None:
    """Delete the main token of an analysis, and those of its runs."""
    await _remove(writing, _tokens_of(writing.profile, analysis))


async def main_prefixes(
    connection: AsyncConnection, profile: str, analyses: Sequence[str]
) -> Mapping[str, str]:
    """Return how the main tokens of these analyses begin, by analysis."""
    columns = tokens.c
    wanted = (
        select(columns.analysis, columns.prefix)
        .where(columns.profile == profile, columns.run.is_(None))
        .where(columns.analysis.in_(analyses))
    )
    rows = await read_all(connection, wanted, {}, lambda row: row)
    return {
        row.analysis: row.prefix for row in rows if not isinstance(row, UnreadableRow)
    }


async def reveal_main_token(
    journal: Journal, profile: str, analysis: str, actor: str
) -> SecretValue:
    """Return the plaintext of the main token, with a record that it was shown.

    Raises Unavailable, Unsealable, and InvalidDefinition for a row that is not what
    was written, or is gone.
    """
    async with journal.writing(profile, actor) as writing:
        sealed = await _believed(writing, analysis)
        token = sealed.token
        writing.record(Noun.TOKEN, token.id, Change.REVEALED, token_detail(token))
    # Recorded before it is opened: no plaintext is shown without a record, and a record
    # of one that did not open does no harm.
    return await journal.audit_log.vault.open_token(sealed.token, sealed.envelope)


async def _believed(writing: Writing, analysis: str) -> SealedToken:
    """Return the main token that the index vouches for; others may be beside it."""
    main = _main_tokens(writing.profile, analysis)
    found = await read_all(writing.connection, main, {}, sealed_of)
    readable = [each for each in found if isinstance(each, SealedToken)]
    for sealed in readable:
        if await writing.flaw(Noun.TOKEN, sealed.token.id) is None:
            return sealed
    for each in found:
        sealed = require_readable(each, f"the token of analysis {analysis}")
        await writing.require_sound(Noun.TOKEN, sealed.token.id)
    raise InvalidDefinition(
        f"the token of analysis {analysis} was taken out outside Keyrelay: to have"
        " another one, let the analysis run on `external`, and then on `tago`"
    )


async def _remove(writing: Writing, wanted: Select[tuple[object, ...]]) -> None:
    for stored in await read_all(writing.connection, wanted, {}, stored_of):
        id_ = id_of(stored)
        await writing.connection.execute(delete(tokens).where(tokens.c.id == id_))
        await writing.note(Noun.TOKEN, id_, Change.DELETED, detail_of(stored))


def _main_tokens(profile: str, analysis: str) -> Select[tuple[object, ...]]:
    return _tokens_of(profile, analysis).where(tokens.c.run.is_(None))


def _tokens_of(profile: str, analysis: str) -> Select[tuple[object, ...]]:
    of = (tokens.c.profile == profile, tokens.c.analysis == analysis)
    return select(tokens).where(*of).order_by(tokens.c.created_at.desc(), tokens.c.id)
