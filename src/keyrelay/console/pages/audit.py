"""Audit: the records of a profile, the proof that none is gone, and all of them."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from urllib.parse import urlencode

from keyrelay.console.given import Given
from keyrelay.console.listing import CursorList
from keyrelay.console.own_api import ApiQuestion, Document
from keyrelay.console.visit import KeptFile, Moved, PageRoute, Shown, Visit
from keyrelay.model.audit_document import RECORD_KINDS

_FILTERS = ("kind", "trigger", "action", "analysis", "since")
_LIST = CursorList(path="/audit", name="records", filters=_FILTERS)
_KINDS = (("", "all"), *((kind, f"{kind}s") for kind in RECORD_KINDS))
_EXPORTED_AT_ONCE = 500  # records, which are all that an export holds of them
# Where what a record is about is shown.
_SCREENS = {
    "secret": "secrets",
    "action": "actions",
    "analysis": "analyses",
    "policy": "access",
    "trigger": "triggers",
}


async def list_records(visit: Visit) -> Shown:
    page = await _LIST.page(_with_instant(visit))
    rows = [{"record": each, **_told(each)} for each in page.rows]
    facts = {"page": page, "rows": rows, "kinds": _KINDS}
    return Shown(template="audit/list.html", facts=facts)


async def show_record(visit: Visit) -> Shown:
    found = await visit.api.result("/audit/{id}", visit.of_id())
    record = found["record"]
    assert isinstance(record, Mapping)
    facts = {"found": found, "record": record, **_told(record)}
    return Shown(template="audit/one.html", facts=facts)


async def show_verification(visit: Visit) -> Shown:
    found = await visit.api.result("/audit/verify")
    return Shown(template="audit/verify.html", facts=found)


async def verify(visit: Visit) -> Moved:
    await visit.api.ask("POST", "/audit/verify")
    return Moved(path="/audit/verify", said="started")


async def export(visit: Visit) -> KeptFile:
    """Answer all records that the filters leave, newest first, each as one line."""
    asked = _with_instant(visit).query
    given = [(name, asked.text(name)) for name in _FILTERS if asked.text(name)]
    # The first page is asked for before anything is answered: a refusal is a page.
    first = await _page(visit, given, None)
    return KeptFile(name="audit.jsonl", chunks=_lines(visit, given, first))


async def _lines(
    visit: Visit, given: list[tuple[str, str]], page: Document
) -> AsyncIterator[bytes]:
    while True:
        records, after = page["records"], page["next"]
        assert isinstance(records, list)
        yield "".join(f"{json.dumps(each)}\n" for each in records).encode()
        if after is None:
            return
        page = await _page(visit, given, str(after))


async def _page(
    visit: Visit, given: list[tuple[str, str]], after: str | None
) -> Document:
    asked = [*given, ("amount", str(_EXPORTED_AT_ONCE))]
    asked += [] if after is None else [("after", after)]
    return await visit.api.result("/audit", ApiQuestion(query=asked))


def _with_instant(visit: Visit) -> Visit:
    """Return the visit, whose day is the first instant of it, as the API asks for."""
    pairs = tuple(
        (name, f"{text}T00:00:00Z" if name == "since" and len(text) == 10 else text)
        for name, text in visit.query.pairs
    )
    return replace(visit, query=Given(pairs, visit.query.files))


def _told(record: Document) -> Document:
    """Return what the columns of the list tell of a record."""
    match record.get("kind"):
        case "change":
            return _of_change(record)
        case "release":
            return {
                "who": "run",
                "run": record.get("run"),
                "did": f"was given version {record.get('secret_version')}",
                "thing": _thing("secret", record.get("secret")),
                "outcome": None,
                "address": record.get("address"),
            }
        case _:
            return _of_attempt(record)


def _of_change(record: Document) -> Document:
    actor, noun = str(record.get("actor", "")), str(record.get("noun"))
    who, _, address = actor.rpartition(" from ")
    return {
        "who": (who or actor).removeprefix("token:"),
        "run": None,
        "did": f"{record.get('change')} {noun}",
        "thing": _thing(noun, record.get("subject")),
        "outcome": None,
        "address": address if who else None,
    }


def _of_attempt(record: Document) -> Document:
    trigger = record.get("trigger")
    thing = _thing("trigger", trigger)
    if record.get("channel") == "script" and trigger is not None:
        # Of a run, or of the trigger of an action that asks for runs: no record says.
        path = f"/audit?{urlencode({'trigger': str(trigger)})}"
        thing = {"noun": "run or trigger", "id": trigger, "path": path}
    return {
        "who": "worker",
        "run": None,
        "did": f"attempt {record.get('attempt', '')}",
        "thing": thing,
        "outcome": record.get("outcome"),
        "address": None,
    }


def _thing(noun: str, id_: object) -> Mapping[str, object]:
    """Return what a record is about, and where it is shown; None, nowhere."""
    screen = _SCREENS.get(noun)
    path = None if screen is None or not id_ else f"/{screen}/{id_}"
    return {"noun": noun, "id": id_, "path": path}


PAGES = (
    PageRoute(method="GET", path="/audit", answer=list_records),
    # Before the one of a record, whose id its last part would be.
    PageRoute(method="GET", path="/audit/export", answer=export),
    PageRoute(method="GET", path="/audit/verify", answer=show_verification),
    PageRoute(method="POST", path="/audit/verify", answer=verify),
    PageRoute(method="GET", path="/audit/{id}", answer=show_record),
)
