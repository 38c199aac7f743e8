"""Definition entries: what a profile is set up with as one document, without values.

    {"secrets":  [{"id": …, "key": …, "type": …, "tags": […]}, …],
     "analyses": [{"id": …, "name": …, "variables": […], "script": {…}, …}, …],
     "actions":  [{"id": …, "name": …, "action": {…}, …}, …],
     "policies": [{"id": …, "name": …, "targets": […], …}, …]}

By the ids, actions name secrets and analyses, and policies name all of them. In another
profile an id stands for what has the same key or name there. Tokens are not among them:
one that a document made would have no plaintext.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from keyrelay.model.documents import (
    InvalidDefinition,
    refuse_unknown,
    require_list,
    require_object,
    require_text,
    without_read_only,
)
from keyrelay.model.ids import is_id
from keyrelay.services import analysis_documents
from keyrelay.stores.definitions.listing import Noun

Document = Mapping[str, object]
EntryNoun = Literal[Noun.SECRET, Noun.ANALYSIS, Noun.ACTION, Noun.POLICY]

LISTS: Mapping[EntryNoun, str] = {
    Noun.SECRET: "secrets",
    Noun.ANALYSIS: "analyses",
    Noun.ACTION: "actions",
    Noun.POLICY: "policies",
}
NAMES: Mapping[EntryNoun, str] = {
    Noun.SECRET: "key",
    Noun.ANALYSIS: "name",
    Noun.ACTION: "name",
    Noun.POLICY: "name",
}
# The values of fields that a definition leaves out.
ABSENT: Mapping[EntryNoun, Document] = {
    Noun.SECRET: {"tags": []},
    Noun.ANALYSIS: analysis_documents.ABSENT,
    Noun.ACTION: {"name": "", "active": True, "lock": False, "tags": []},
    Noun.POLICY: {"name": "", "active": True, "tags": []},
}
_MOST = 1_000_000  # definitions in one list


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionEntry:
    """One definition; `document` is what can be set of it."""

    noun: EntryNoun
    id: str | None
    name: str
    document: Document

    def __str__(self) -> str:
        return f"{self.noun} {self.name!r}"

    def changes(self, wanted: Document) -> Document:
        """Return the fields of `wanted` that this one has otherwise."""
        has = {**ABSENT[self.noun], **self.document}
        return {
            name: value
            for name, value in wanted.items()
            if name not in has or _text(has[name]) != _text(value)
        }


def entries_document(entries: Iterable[DefinitionEntry]) -> Document:
    document: dict[str, list[Document]] = {name: [] for name in LISTS.values()}
    for each in entries:
        document[LISTS[each.noun]].append({"id": each.id, **each.document})
    return document


def parse_entries(document: Document) -> Sequence[DefinitionEntry]:
    """Read such a document: what others name stands first.

    Raises InvalidDefinition, also where two entries are about the same definition.
    """
    refuse_unknown(document, set(LISTS.values()), "a document of definitions")
    found = [entry for noun in LISTS for entry in _entries(noun, document)]
    _refuse_twice(found)
    return found


def _entries(noun: EntryNoun, document: Document) -> Iterator[DefinitionEntry]:
    for number, given in enumerate(
        require_list(document.get(LISTS[noun], []), LISTS[noun], longest=_MOST), 1
    ):
        what = f"{noun} {number}"
        fields = require_object(given, what)
        if noun is Noun.SECRET and "value" in fields:
            raise InvalidDefinition(
                f"{what} holds a value: values are given to `keyrelay secret create`"
                " and `keyrelay secret edit` alone"
            )
        called = NAMES[noun]
        name = require_text(
            fields.get(called, ""), f"the {called} of {what}", longest=100, shortest=0
        )
        id_ = fields.get("id")
        if id_ is not None and not is_id(id_):
            raise InvalidDefinition(f"the id of {what} has 24 hexadecimal digits")
        yield DefinitionEntry(
            noun=noun,
            id=None if id_ is None else str(id_),
            name=name,
            document=without_read_only(fields),
        )


def _refuse_twice(entries: Sequence[DefinitionEntry]) -> None:
    """Refuse two entries for one definition; of those with ids, names may be alike."""
    seen = set[tuple[Noun, str]]()
    for each in entries:
        alone = each.id is None or each.noun is Noun.SECRET
        for known_by in (each.id, each.name if alone else None):
            if known_by is None:
                continue
            if (each.noun, known_by) in seen:
                raise InvalidDefinition(f"{each} stands there twice")
            seen.add((each.noun, known_by))


def _text(value: object) -> str:
    """Return what tells two JSON values apart: in Python, 1 is True."""
    return json.dumps(value, sort_keys=True)
