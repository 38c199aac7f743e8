"""Analysis view: analyses as the command line keeps and shows them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keyrelay.cli.documents import Documents
from keyrelay.cli.output import Document
from keyrelay.cli.session import Session
from keyrelay.model.instant import wire_date
from keyrelay.services.analysis_documents import ABSENT, version_rows
from keyrelay.services.remarks import on_stored_analysis
from keyrelay.stores.definitions.analyses import AnalysisStore
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.definitions.stored_document import StoredDocument
from keyrelay.stores.last_times import LastTimes


async def _remarks(session: Session, stored: StoredDocument) -> Sequence[str]:
    store = session.store.definitions.analyses
    scripted = await store.scripted(session.profile.id, [stored.id])
    return on_stored_analysis(scripted.get(stored.id))


async def _beside(session: Session, ids: Sequence[str]) -> Mapping[str, Document]:
    profile = session.profile.id
    times = LastTimes(database=session.store.database)
    last = await times.read(profile, Noun.ANALYSIS, ids)
    scripted = await session.store.definitions.analyses.scripted(profile, ids)
    return {
        id_: {
            "last_run": wire_date(last.get(id_)),
            **(version_rows(scripted[id_]) if id_ in scripted else {}),
        }
        for id_ in ids
    }


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes analyses as other documents are written; `token` shows what it made."""

    analyses: AnalysisStore

    async def create(
        self, profile: str, document: Document, actor: str, *, unique: bool = False
    ) -> StoredDocument:
        stored, _ = await self.analyses.create(profile, document, actor, unique=unique)
        return stored

    async def edit(
        self,
        profile: str,
        id_: str,
        changes: Document,
        actor: str,
        *,
        unique: bool = False,
    ) -> StoredDocument:
        return await self.analyses.edit(profile, id_, changes, actor, unique=unique)

    async def delete(self, profile: str, id_: str, actor: str) -> None:
        await self.analyses.delete(profile, id_, actor)


ANALYSES = Documents(
    store=lambda session: session.store.definitions.analyses.documents,
    absent=ABSENT,
    unique=True,
    remarks=_remarks,
    beside=_beside,
    writer=lambda session: _Writer(session.store.definitions.analyses),
)
