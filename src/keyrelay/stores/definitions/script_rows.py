"""Script rows: the versions of an analysis' scripts, as its row lists them.

What is listed is authenticated with the row; the content, which has a row of its own,
is what its digest says, or it is not used.
"""

import json
from collections.abc import Sequence
from datetime import datetime

from keyrelay.model.analysis import ScriptedAnalysis, parse_analysis
from keyrelay.model.documents import InvalidDefinition, parse_document
from keyrelay.model.uploaded_script import Runtime, ScriptVersion
from keyrelay.stores.unreadable import AnyRow


def versions_text(versions: Sequence[ScriptVersion]) -> str:
    """Return what `versions_of` reads back."""
    return json.dumps(
        [
            {
                "version": each.number,
                "file_name": each.file_name,
                "language": each.language,
                "size": each.size,
                "digest": each.digest,
                "uploaded_at": each.uploaded_at.isoformat(),
            }
            for each in versions
        ]
    )


def versions_of(text: object) -> tuple[ScriptVersion, ...]:
    """Read the versions, the oldest first. Raises InvalidDefinition."""
    try:
        return tuple(_version(each) for each in json.loads(str(text)))
    except (ValueError, TypeError, KeyError):
        raise InvalidDefinition("its list of versions was altered") from None


def scripted_of(row: AnyRow) -> ScriptedAnalysis:
    """Return the row's analysis and scripts. Raises InvalidDefinition."""
    versions, version = versions_of(row.versions), row.version
    if version is not None and version not in {each.number for each in versions}:
        raise InvalidDefinition("the version that runs is not there")
    return ScriptedAnalysis(
        analysis=parse_analysis(parse_document(str(row.document)), row.id, row.profile),
        versions=versions,
        version=version,
    )


def _version(fields: dict[str, object]) -> ScriptVersion:
    number, size = fields["version"], fields["size"]
    if not isinstance(number, int) or not isinstance(size, int):
        raise TypeError
    return ScriptVersion(
        number=number,
        file_name=str(fields["file_name"]),
        language=Runtime(str(fields["language"])),
        size=size,
        digest=str(fields["digest"]),
        uploaded_at=datetime.fromisoformat(str(fields["uploaded_at"])),
    )
