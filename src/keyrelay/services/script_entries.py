"""Script entries: the script that an analysis runs, in the entry of its definition.

It is an upload, and what was exported says its language:

    {"id": …, "name": …, "script": {"file_name": …, "language": …, "file": base64}, …}
"""

import base64
from dataclasses import replace

from keyrelay.model.documents import require_object
from keyrelay.model.uploaded_script import ScriptDraft, ScriptVersion, parse_script
from keyrelay.services.definition_entries import DefinitionEntry, Document
from keyrelay.stores.definitions.analyses import AnalysisStore

SCRIPT = "script"


async def with_script(
    analyses: AnalysisStore, profile: str, entry: DefinitionEntry
) -> DefinitionEntry:
    """Return an analysis' entry with the script that it runs, if it has one.

    Raises Unavailable, NotFound, InvalidDefinition for versions that cannot be read,
    and ScriptAltered.
    """
    found = await read_running(analyses, profile, entry.id or "")
    if found is None:
        return entry
    version, content = found
    script = script_document(
        ScriptDraft(
            file_name=version.file_name, language=version.language, content=content
        )
    )
    return replace(entry, document={**entry.document, SCRIPT: script})


async def read_running(
    analyses: AnalysisStore, profile: str, id_: str
) -> tuple[ScriptVersion, bytes] | None:
    """Return the version that runs, if any, and its content.

    Raises as `with_script` does.
    """
    found = (await analyses.scripted(profile, [id_])).get(id_)
    if found is not None and found.version is None:
        return None
    return await analyses.script(profile, id_)


def without_script(document: Document) -> tuple[Document, ScriptDraft | None]:
    """Return the definition alone, and the script. Raises InvalidDefinition."""
    fields = {name: each for name, each in document.items() if name != SCRIPT}
    if SCRIPT not in document:
        return fields, None
    script = require_object(document[SCRIPT], SCRIPT)
    return fields, parse_script({"language": document.get("runtime"), **script})


def script_document(draft: ScriptDraft) -> Document:
    """Return what `parse_script` reads."""
    return {
        "file_name": draft.file_name,
        "language": draft.language,
        "file": base64.b64encode(draft.content).decode(),
    }
