"""Analysis documents: what is shown of an analysis, on every face."""

from collections.abc import Mapping, Sequence

from keyrelay.model.analysis import RunOn, ScriptedAnalysis
from keyrelay.model.instant import wire_date, wire_instant
from keyrelay.model.interval import NEVER
from keyrelay.model.uploaded_script import Runtime
from keyrelay.stores.definitions.analyses import AnalysisStore
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.last_times import LastTimes
from keyrelay.stores.runs.last_states import last_states

_MASK = "********"

# As TagoIO shows what was created without them.
ABSENT: Mapping[str, object] = {
    "active": True,
    "run_on": RunOn.HOSTED,
    "runtime": Runtime.NODE,
    "interval": NEVER,
    "tags": [],
    "variables": [],
}


def shown_document(document: Mapping[str, object]) -> Mapping[str, object]:
    """Return a document as it was sent, and what it leaves out."""
    given = {name: each for name, each in document.items() if each is not None}
    return {**ABSENT, **given}


def masked(document: Mapping[str, object]) -> Mapping[str, object]:
    """Return the document with the keys of its variables, and no value of one."""
    variables = document.get("variables")
    keys = [
        {"key": each.get("key"), "value": _MASK}
        for each in (variables if isinstance(variables, list) else ())
        if isinstance(each, dict)
    ]
    return {**document, "variables": keys}


async def beside_analyses(
    store: AnalysisStore, profile: str, ids: Sequence[str]
) -> Mapping[str, Mapping[str, object]]:
    """Return what is shown of these analyses that their documents do not have."""
    times = LastTimes(database=store.documents.database)
    last = await times.read(profile, Noun.ANALYSIS, ids)
    states = await last_states(store.documents.database, profile, ids)
    scripted = await store.scripted(profile, ids)
    return {
        id_: {
            "last_run": wire_date(last.get(id_)),
            "last_state": states.get(id_),
            **(_version_rows(scripted[id_]) if id_ in scripted else {}),
        }
        for id_ in ids
    }


def _version_rows(scripted: ScriptedAnalysis) -> Mapping[str, object]:
    """Return `version`, which runs, and `versions`, the oldest first."""
    versions = [
        {
            "version": each.number,
            "file_name": each.file_name,
            "language": each.language,
            "size": each.size,
            "sha256": each.digest,
            "created_at": wire_instant(each.uploaded_at),
        }
        for each in scripted.versions
    ]
    return {"version": scripted.version, "versions": versions}
