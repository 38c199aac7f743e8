"""Analyses: stored as they were sent, beside their tokens and uploaded scripts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.databases.database import Database
from keyrelay.model.analysis import (
    Analysis,
    RunOn,
    ScriptedAnalysis,
    parse_analysis,
)
from keyrelay.model.audit import Change
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.secret import SecretValue
from keyrelay.model.uploaded_script import ScriptDraft, ScriptVersion, version_of
from keyrelay.stores.definitions.analysis_tokens import (
    main_prefixes,
    make_main_token,
    remove_tokens,
    rename_main_token,
    renew_main_token,
    reveal_main_token,
)
from keyrelay.stores.definitions.analysis_users import refuse_analysis_in_use
from keyrelay.stores.definitions.document_kind import Companion, DocumentKind, Orders
from keyrelay.stores.definitions.document_store import DocumentStore
from keyrelay.stores.definitions.journal import Journal, Writing
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.definitions.script_rows import scripted_of, versions_text
from keyrelay.stores.definitions.scripts import keep_script, read_script
from keyrelay.stores.refusals import NotFound, require_expected
from keyrelay.stores.rows import rows_of
from keyrelay.stores.schema.tables import analyses
from keyrelay.stores.unreadable import ONE, read_rows, require_readable


class ScriptAltered(Exception):
    """What is kept of a script is not what was uploaded: upload it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisStore:
    """What analyses have beside their documents: tokens, and scripts.

    Each method raises Unavailable.
    """

    documents: DocumentStore[Analysis]

    async def token(self, profile: str, id_: str, actor: str) -> SecretValue:
        """Return the plaintext of its main token, with a record that it was shown.

        Raises NotFound, Unsealable, and InvalidDefinition for a token that is not what
        was written.
        """
        await self.documents.get(profile, id_)
        return await reveal_main_token(self.documents.journal, profile, id_, actor)

    async def token_prefixes(
        self, profile: str, ids: Sequence[str]
    ) -> Mapping[str, str]:
        """Return how the main tokens of these analyses begin, by analysis."""
        async with self.documents.database.reading() as connection:
            return await main_prefixes(connection, profile, ids)

    async def upload(
        self,
        profile: str,
        id_: str,
        draft: ScriptDraft,
        actor: str,
        *,
        expected: str | None = None,
    ) -> ScriptVersion:
        """Keep a script as the next version, which is the one that runs from now on.

        An older version of the same content that was altered by hand has it again.
        Raises NotFound, InvalidDefinition, and Outdated if the analysis' etag is not
        the `expected` one.
        """
        async with self.documents.journal.writing(profile, actor) as writing:
            connection = writing.connection
            before = await _find(connection, profile, id_, expected)
            await writing.require_sound(Noun.ANALYSIS, id_)
            version = draft.as_version(len(before.versions) + 1, writing.at)
            versions = [*before.versions, version]
            await keep_script(connection, id_, versions, draft.content)
            values = {"versions": versions_text(versions), "version": version.number}
            edited = update(analyses).where(analyses.c.id == id_)
            await connection.execute(edited.values(**values, updated_at=writing.at))
            detail = f"{before.analysis.name}: {version}"
            await writing.note(Noun.ANALYSIS, id_, Change.EDITED, detail)
        return version

    async def scripted(
        self, profile: str, ids: Sequence[str]
    ) -> Mapping[str, ScriptedAnalysis]:
        """Return those of these ids that are there and can be read."""
        found = dict[str, ScriptedAnalysis]()
        async with self.documents.database.reading() as connection:
            async for row in rows_of(connection, analyses, ids):
                if row.profile != profile:
                    continue
                try:
                    found[row.id] = scripted_of(row)
                except InvalidDefinition:
                    continue  # the document's own reader says so
        return found

    async def script(
        self, profile: str, id_: str, number: int | None = None
    ) -> tuple[ScriptVersion, bytes]:
        """Return a version, if not told which the one that runs, and its content.

        Raises NotFound, InvalidDefinition for a version that is not there, and
        ScriptAltered.
        """
        async with self.documents.database.reading() as connection:
            found = await _find(connection, profile, id_)
            version = version_of(found.versions, number or found.version or 1)
            content = await read_script(connection, id_, version)
        if content is None:
            raise ScriptAltered(
                f"version {version.number} of analysis {id_} was altered outside"
                " Keyrelay: upload the script again"
            )
        return version, content


def analysis_store(database: Database, journal: Journal) -> AnalysisStore:
    return AnalysisStore(
        documents=DocumentStore(
            database=database,
            journal=journal,
            kind=DocumentKind(
                noun=Noun.ANALYSIS,
                parse=parse_analysis,
                columns=_columns,
                check=_check,
                orders=Orders(
                    own={"run_on": ["run_on", "folded"]}, last_time="last_run"
                ),
                companion=Companion(created=_created, edited=_edited, deleted=_deleted),
            ),
        )
    )


async def _find(
    connection: AsyncConnection, profile: str, id_: str, expected: str | None = None
) -> ScriptedAnalysis:
    wanted = select(analyses).where(analyses.c.profile == profile, analyses.c.id == id_)
    for found in await read_rows(connection, wanted, ONE, scripted_of):
        await _require_etag(connection, id_, expected)
        return require_readable(found, f"analysis {id_}")
    raise NotFound(Noun.ANALYSIS, id_)


async def _require_etag(
    connection: AsyncConnection, id_: str, expected: str | None
) -> None:
    wanted = select(analyses.c.generation).where(analyses.c.id == id_)
    etag = str(await connection.scalar(wanted))
    require_expected(expected, etag, f"analysis {id_}")


def _columns(analysis: Analysis) -> Mapping[str, object]:
    return {"run_on": analysis.run_on}


async def _created(writing: Writing, analysis: Analysis) -> None:
    await make_main_token(writing, analysis.tagged.id, analysis.name)


async def _edited(writing: Writing, before: Analysis, after: Analysis) -> None:
    """Renew the token of one that leaves `external`: a machine elsewhere knows it."""
    id_ = after.tagged.id
    if before.run_on is RunOn.EXTERNAL and after.run_on is not RunOn.EXTERNAL:
        await renew_main_token(writing, id_, after.name)
    elif after.name != before.name:
        await rename_main_token(writing, id_, after.name)


async def _deleted(writing: Writing, id_: str) -> None:
    await refuse_analysis_in_use(writing.connection, writing.profile, id_)
    await remove_tokens(writing, id_)


async def _check(_: AsyncConnection, __: Analysis) -> None:
    """An analysis refers to nothing."""
