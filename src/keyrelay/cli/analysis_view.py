"""Analysis view: analyses as the command line keeps and shows them."""

from collections.abc import Mapping, Sequence

from keyrelay.cli.documents import Documents
from keyrelay.cli.output import Document
from keyrelay.cli.session import Session
from keyrelay.services.analysis_documents import ABSENT, beside_analyses
from keyrelay.services.remarks import on_stored_analysis
from keyrelay.stores.definitions.stored_document import StoredDocument


async def _remarks(session: Session, stored: StoredDocument) -> Sequence[str]:
    store, profile = session.store, session.profile.id
    analyses = store.definitions.analyses
    return await on_stored_analysis(analyses, store.run_hosts, profile, stored)


async def _beside(session: Session, ids: Sequence[str]) -> Mapping[str, Document]:
    return await beside_analyses(
        session.store.definitions.analyses, session.profile.id, ids
    )


ANALYSES = Documents(
    store=lambda session: session.store.definitions.analyses.documents,
    absent=ABSENT,
    unique=True,
    remarks=_remarks,
    beside=_beside,
)
