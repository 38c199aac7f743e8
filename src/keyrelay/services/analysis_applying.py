"""Analysis applying: analyses made as their entries say, each with its script."""

from dataclasses import dataclass

from keyrelay.model.uploaded_script import ScriptDraft
from keyrelay.services.definition_entries import DefinitionEntry, Document
from keyrelay.services.script_entries import (
    SCRIPT,
    read_running,
    script_document,
    without_script,
)
from keyrelay.stores.definitions.analyses import AnalysisStore, ScriptAltered


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisApplying:
    """Writes analyses in `profile` for `actor`; on a `trial`, nothing is written.

    Each method raises Unavailable, and InvalidDefinition before anything is written.
    """

    analyses: AnalysisStore
    profile: str
    actor: str
    trial: bool

    async def create(self, document: Document) -> str | None:
        """Return the new id; None on a trial."""
        documents, (fields, draft) = self.analyses.documents, without_script(document)
        if self.trial:
            documents.kind.parse(fields, "", self.profile)
            return None
        stored = await documents.create(self.profile, fields, self.actor, unique=True)
        await self._upload(stored.id, draft)
        return stored.id

    async def changes(self, there: DefinitionEntry, document: Document) -> Document:
        """Return the fields of the document that the analysis there has otherwise.

        Its script is not among them if that is what it runs, byte for byte, under the
        same name and in the same language.
        """
        given = {"runtime": there.document.get("runtime"), **document}
        _, draft = without_script(given)
        changes = dict(there.changes(document))
        if draft is not None:
            # Its language is said here: `runtime` may not be among the changes.
            changes[SCRIPT] = script_document(draft)
            if await self._runs(there.id or "", draft):
                del changes[SCRIPT]
        return changes

    async def edit(self, there: DefinitionEntry, changes: Document) -> None:
        """Write what `changes` returned. Raises NotFound."""
        documents, (fields, draft) = self.analyses.documents, without_script(changes)
        id_ = there.id or ""
        if self.trial:
            documents.kind.parse({**there.document, **fields}, id_, self.profile)
            return
        if fields:
            await documents.edit(self.profile, id_, fields, self.actor, unique=True)
        await self._upload(id_, draft)

    async def _upload(self, id_: str, draft: ScriptDraft | None) -> None:
        # After the definition: a crash between the two leaves a script that differs,
        # and to apply the document again uploads it.
        if draft is not None:
            await self.analyses.upload(self.profile, id_, draft, self.actor)

    async def _runs(self, id_: str, draft: ScriptDraft) -> bool:
        try:
            found = await read_running(self.analyses, self.profile, id_)
        except ScriptAltered:  # to upload it again is the remedy
            return False
        if found is None:
            return False
        version, _ = found
        return draft.as_version(version.number, version.uploaded_at) == version
