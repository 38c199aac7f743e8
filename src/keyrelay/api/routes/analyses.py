"""Analyses: listed, made, edited and deleted; their scripts uploaded and downloaded."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from keyrelay.api.border.limits import LARGEST_UPLOAD
from keyrelay.api.definition_answers import expected_of
from keyrelay.api.described import COUNT as NUMBER
from keyrelay.api.described import (
    IF_MATCH,
    TEXT,
    described,
    in_query,
    named,
    object_of,
    path_id,
)
from keyrelay.api.documents import DocumentNames, DocumentRoutes, Info
from keyrelay.api.failures import BadRequest
from keyrelay.api.parameters import parse_parameters
from keyrelay.api.query import Filter, QueryRules, parse_query, whole_number
from keyrelay.api.query_string import parse_pairs
from keyrelay.api.rights import Right, has
from keyrelay.api.route import Answer, Asked, Route, governed
from keyrelay.model.analysis import RunOn, parse_run_on
from keyrelay.model.instant import wire_instant
from keyrelay.model.policy.kinds import ANALYSIS, EDIT
from keyrelay.model.uploaded_script import parse_script
from keyrelay.services.analysis_documents import beside_analyses, masked, shown_document
from keyrelay.services.remarks import on_stored_analysis
from keyrelay.stores.definitions.analyses import AnalysisStore
from keyrelay.stores.definitions.stored_document import StoredDocument
from keyrelay.stores.unreadable import require_readable

_MOST_VERSIONS = 10**9
_MOST_CONSOLES = 200  # of up to 64 KiB each

# fmt: off
_FIELDS = (
    "id", "name", "profile", "active", "tags", "description", "interval", "run_on",
    "file_name", "runtime", "variables", "token", "version", "versions", "console",
    "last_run", "last_state", "created_at", "updated_at",
)
# fmt: on
_ID = path_id("The id of the analysis.")
_UNTOLD = ("reveal", "no")  # of the query; other parameters count for nothing


def _shown(asked: Asked, stored: StoredDocument) -> Info:
    """Return the document; a caller that may not edit it sees no variable's value."""
    whole, caller = shown_document(stored.document), asked.caller
    if caller.grant is not None:
        may_edit = caller.grant.allowing(EDIT).permits(stored.id)
    else:
        may_edit = has(caller.token.rights, Right.WRITE)
    return whole if may_edit else masked(whole)


async def _beside(asked: Asked, ids: Sequence[str]) -> Mapping[str, Info]:
    store, profile = _store(asked), asked.caller.profile
    beside = await beside_analyses(store, profile, ids)
    prefixes = await store.token_prefixes(profile, ids)
    consoles = await _consoles(asked, ids)
    return {
        id_: {
            "token": prefixes.get(id_),
            "console": consoles.get(id_, []),
            **beside[id_],
        }
        for id_ in ids
    }


async def _consoles(asked: Asked, ids: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """Return the lines of these analyses; none, where a list does not show them."""
    is_list = "id" not in asked.ids
    if is_list and "console" not in parse_query(asked.query, _RULES).fields:
        return {}
    if len(ids) > _MOST_CONSOLES:
        raise BadRequest(
            f"a list shows the consoles of up to {_MOST_CONSOLES} analyses: ask for a"
            " smaller amount, or without the field console"
        )
    return await asked.process.store.consoles.lines(asked.caller.profile, ids)


async def _remarks(asked: Asked, stored: StoredDocument) -> Sequence[str]:
    store, profile = asked.process.store, asked.caller.profile
    return await on_stored_analysis(_store(asked), store.run_hosts, profile, stored)


_RULES = QueryRules(
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
)
_ANALYSES = DocumentRoutes(
    store=lambda process: process.store.definitions.analyses.documents,
    rules=_RULES,
    names=DocumentNames(
        many="analyses",
        schema="Analysis",
        title="Analysis",
        told=("id", "token"),
        kind=ANALYSIS,
    ),
    remarks=_remarks,
    shown=_shown,
    beside=_beside,
)


async def create(asked: Asked) -> Answer:
    """Answer the token with the id: whole, or how it begins."""
    made = await _ANALYSES.create(asked)
    assert isinstance(made.result, dict)
    id_ = made.result["id"]
    token = await _token(asked, id_)
    if token is None:
        prefixes = await _store(asked).token_prefixes(asked.caller.profile, [id_])
        token = prefixes[id_]
    return replace(made, result={**made.result, "token": token})


async def info(asked: Asked) -> Answer:
    """Answer the whole token to those that may see it, unless asked not to."""
    shown = await _ANALYSES.info(asked)
    if _UNTOLD in parse_pairs(asked.query):
        return shown
    token = await _token(asked, asked.ids["id"])
    if token is None:
        return shown
    assert isinstance(shown.result, dict)
    return replace(shown, result={**shown.result, "token": token})


async def show_token(asked: Asked) -> Answer:
    caller, id_ = asked.caller, asked.ids["id"]
    stored = await _store(asked).documents.get(caller.profile, id_)
    document = require_readable(stored, f"analysis {id_}").document
    if parse_run_on(document.get("run_on")) is not RunOn.EXTERNAL:
        raise BadRequest(
            "a hosted analysis is given a token with each run: only one that runs on"
            " `external` needs its own"
        )
    token = await _store(asked).token(caller.profile, id_, caller.actor)
    return Answer(result={"analysis_token": token.reveal()})


async def _token(asked: Asked, id_: str) -> str | None:
    """Return the plaintext of the main token, recorded; None, it is not shown."""
    caller = asked.caller
    if not has(caller.token.rights, Right.FULL):
        return None
    token = await _store(asked).token(caller.profile, id_, caller.actor)
    return token.reveal()


async def upload(asked: Asked) -> Answer:
    draft = parse_script(await asked.body.document(LARGEST_UPLOAD))
    caller, id_ = asked.caller, asked.ids["id"]
    await _store(asked).upload(
        caller.profile, id_, draft, caller.actor, expected=expected_of(asked.headers)
    )
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
    governed=governed(ANALYSIS, EDIT),
    described=described(
        "Upload a script as the next version, which runs from now on",
        TEXT,
        parameters=[_ID, IF_MATCH],
        body=named("Script"),
    ),
)
_DOWNLOAD = Route(
    method="GET",
    path="/analysis/{id}/download",
    right=Right.WRITE,
    answer=download,
    governed=governed(ANALYSIS, EDIT),
    described=described(
        "Return an address from which a script is downloaded for some minutes",
        named("Download"),
        parameters=[
            _ID,
            in_query("version", NUMBER, "Which version; left out, the one that runs."),
        ],
    ),
)

_TOKEN = Route(
    method="GET",
    path="/analysis/{id}/token",
    right=Right.FULL,
    answer=show_token,
    described=described(
        "Show the token of an analysis that runs on `external`, which is recorded",
        object_of({"analysis_token": TEXT}, "analysis_token"),
        parameters=[_ID],
    ),
)
_ANSWERS = replace(_ANALYSES.answers, info=info, create=create)

ROUTES = (
    *_ANALYSES.routes("/analysis", Right.WRITE, _ANSWERS),
    _UPLOAD,
    _DOWNLOAD,
    _TOKEN,
)
