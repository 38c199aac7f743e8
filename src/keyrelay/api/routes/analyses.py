"""Analyses: listed, made, edited and deleted; their scripts uploaded and downloaded."""

from collections.abc import Mapping, Sequence

from keyrelay.api.described import COUNT as NUMBER
from keyrelay.api.described import TEXT, described, in_query, named, path_id
from keyrelay.api.documents import DocumentNames, DocumentRoutes, Info
from keyrelay.api.parameters import parse_parameters
from keyrelay.api.query import Filter, QueryRules, whole_number
from keyrelay.api.rights import Right, has
from keyrelay.api.route import Answer, Asked, Route
from keyrelay.model.instant import wire_date, wire_instant
from keyrelay.model.uploaded_script import parse_script
from keyrelay.services.analysis_documents import masked, shown_document, version_rows
from keyrelay.services.remarks import on_stored_analysis
from keyrelay.stores.definitions.analyses import AnalysisStore
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.definitions.stored_document import StoredDocument
from keyrelay.stores.last_times import LastTimes

LARGEST_UPLOAD = 8 * 1024 * 1024  # bytes, of which a script in base64 is most
_MOST_VERSIONS = 10**9

# fmt: off
_FIELDS = (
    "id", "name", "profile", "active", "tags", "description", "interval", "run_on",
    "file_name", "runtime", "variables", "version", "versions", "console", "last_run",
    "created_at", "updated_at",
)
# fmt: on
_ID = path_id("The id of the analysis.")


def _shown(asked: Asked, document: Info) -> Info:
    """Return the document; a token that may only read sees no variable's value."""
    whole = shown_document(document)
    return whole if has(asked.caller.token.rights, Right.WRITE) else masked(whole)


async def _beside(asked: Asked, ids: Sequence[str]) -> Mapping[str, Info]:
    profile = asked.caller.profile
    times = LastTimes(database=asked.process.store.database)
    last = await times.read(profile, Noun.ANALYSIS, ids)
    scripted = await _store(asked).scripted(profile, ids)
    return {
        id_: {
            "last_run": wire_date(last.get(id_)),
            "console": [],
            **(version_rows(scripted[id_]) if id_ in scripted else {}),
        }
        for id_ in ids
    }


async def _remarks(asked: Asked, stored: StoredDocument) -> Sequence[str]:
    scripted = await _store(asked).scripted(asked.caller.profile, [stored.id])
    return on_stored_analysis(scripted.get(stored.id))


_ANALYSES = DocumentRoutes(
    store=lambda process: process.store.definitions.analyses.documents,
    rules=QueryRules(
        fields=_FIELDS,
        default_fields=("id", "name"),
        orders=("name", "active", "run_on", "last_run", "created_at", "updated_at"),
        default_order="name",
        filters={
            "id": Filter.ID,
            "name": Filter.NAME,
            "active": Filter.ACTIVE,
            "run_on": Filter.RUN_ON,
            "tags": Filter.TAGS,
        },
    ),
    names=DocumentNames(
        many="analyses", schema="Analysis", title="Analysis", created="id"
    ),
    remarks=_remarks,
    shown=_shown,
    beside=_beside,
)


async def upload(asked: Asked) -> Answer:
    draft = parse_script(await asked.body.document(LARGEST_UPLOAD))
    caller, id_ = asked.caller, asked.ids["id"]
    await _store(asked).upload(caller.profile, id_, draft, caller.actor)
    return Answer(result="Analysis Script Successfully Uploaded")


async def download(asked: Asked) -> Answer:
    given = parse_parameters(asked.query, ("version",)).text("version")
    number = None
    if given is not None:
        number = whole_number(given, "version", most=_MOST_VERSIONS)
    caller, id_ = asked.caller, asked.ids["id"]
    version, _ = await _store(asked).script(caller.profile, id_, number)
    links = asked.process.script_links
    link = links.link(caller.profile, id_, version.number)
    return Answer(
        result={
            "url": f"{asked.process.url}/scripts/{await links.sign(link)}",
            "size_unit": "bytes",
            "size": version.size,
            "expire_at": wire_instant(link.ends_at),
        }
    )


def _store(asked: Asked) -> AnalysisStore:
    return asked.process.store.definitions.analyses


_UPLOAD = Route(
    method="POST",
    path="/analysis/{id}/upload",
    right=Right.WRITE,
    answer=upload,
    described=described(
        "Upload a script as the next version, which runs from now on",
        TEXT,
        parameters=[_ID],
        body=named("Script"),
    ),
)
_DOWNLOAD = Route(
    method="GET",
    path="/analysis/{id}/download",
    right=Right.WRITE,
    answer=download,
    described=described(
        "Return an address from which a script is downloaded for some minutes",
        named("Download"),
        parameters=[
            _ID,
            in_query("version", NUMBER, "Which version; left out, the one that runs."),
        ],
    ),
)

ROUTES = (*_ANALYSES.routes("/analysis", Right.WRITE), _UPLOAD, _DOWNLOAD)
