"""Analyses: stored as they were sent, beside the scripts that were uploaded."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.databases.database import Database
from keyrelay.model.analysis import Analysis, ScriptedAnalysis, parse_analysis
from keyrelay.model.audit import Change
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.uploaded_script import ScriptDraft, ScriptVersion, version_of
from keyrelay.stores.definitions.document_kind import DocumentKind, Orders
from keyrelay.stores.definitions.document_store import DocumentStore
from keyrelay.stores.definitions.journal import Journal
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.definitions.script_rows import scripted_of, versions_text
from keyrelay.stores.refusals import NotFound
from keyrelay.stores.rows import rows_of
from keyrelay.stores.schema.tables import analyses, scripts
from keyrelay.stores.unreadable import ONE, read_rows, require_readable


class ScriptAltered(Exception):
    """What is kept of a script is not what was uploaded: upload it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisStore:
    """The analyses, and their scripts. Each method raises Unavailable."""

    documents: DocumentStore[Analysis]

    async def upload(
        self, profile: str, id_: str, draft: ScriptDraft, actor: str
    ) -> ScriptVersion:
        """Keep a script as the next version, which is the one that runs from now on.

        Raises NotFound and InvalidDefinition.
        """
        async with self.documents.journal.writing(profile, actor) as writing:
            connection = writing.connection
            before = await _find(connection, profile, id_)
            await writing.require_sound(Noun.ANALYSIS, id_)
            version = _version(draft, len(before.versions) + 1, writing.at)
            content = {"analysis": id_, "version": version.number}
            await connection.execute(
                insert(scripts).values(**content, content=draft.content)
            )
            listed = versions_text([*before.versions, version])
            edited = update(analyses).where(analyses.c.id == id_)
            await connection.execute(
                edited.values(
                    versions=listed, version=version.number, updated_at=writing.at
                )
            )
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
        wanted = select(scripts.c.content).where(scripts.c.analysis == id_)
        async with self.documents.database.reading() as connection:
            found = await _find(connection, profile, id_)
            version = version_of(found.versions, number or found.version or 1)
            content = await connection.scalar(
                wanted.where(scripts.c.version == version.number)
            )
        if not isinstance(content, bytes) or _digest(content) != version.digest:
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
                table=analyses,
                parse=parse_analysis,
                columns=_columns,
                check=_check,
                orders=Orders(
                    own={"run_on": ["run_on", "folded"]}, last_time="last_run"
                ),
            ),
        )
    )


async def _find(
    connection: AsyncConnection, profile: str, id_: str
) -> ScriptedAnalysis:
    wanted = select(analyses).where(analyses.c.profile == profile, analyses.c.id == id_)
    for found in await read_rows(connection, wanted, ONE, scripted_of):
        return require_readable(found, f"analysis {id_}")
    raise NotFound(Noun.ANALYSIS, id_)


def _columns(analysis: Analysis) -> Mapping[str, object]:
    return {"run_on": analysis.run_on}


async def _check(_: AsyncConnection, __: Analysis) -> None:
    """An analysis refers to nothing."""


def _version(draft: ScriptDraft, number: int, at: datetime) -> ScriptVersion:
    return ScriptVersion(
        number=number,
        file_name=draft.file_name,
        language=draft.language,
        size=len(draft.content),
        digest=_digest(draft.content),
        uploaded_at=at,
    )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
