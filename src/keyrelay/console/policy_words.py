"""Policy words: what a policy says, as sentences that people read."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from keyrelay.console.own_api import Document

Names = Mapping[str, str]

_ID = re.compile("[0-9a-f]{24}")
_MANY = {"analysis": "analyses", "action": "actions", "secrets": "secrets"}
_ONE = {"analysis": "analysis", "action": "action", "secrets": "secret"}
_ROW = re.compile(r"(target|permission)s\[(\d+)\](\.\w+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionWords:
    """One permission: its effect, and what it is about."""

    is_allow: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyWords:
    """`is_wide` tells whether it names everything of a kind anywhere."""

    targets: Sequence[str]
    permissions: Sequence[PermissionWords]
    is_wide: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of a sentence; `path` is the page of the thing that it names."""

    text: str
    path: str | None = None


def policy_words(rules: Document, names: Names) -> PolicyWords:
    """Return what targets and permissions say; `names` are those of things by id."""
    targets = [*_tuples(rules.get("targets"))]
    permissions = [*_permissions(rules.get("permissions"))]
    resources = [_texts(each.get("resource")) for each in permissions]
    all_of_kind = [each[0] for each in (*targets, *resources) if len(each) == 1]
    return PolicyWords(
        targets=[_target(each, names) for each in targets],
        permissions=[_permission(each, names) for each in permissions],
        is_wide=any(_kind(each) in _MANY for each in all_of_kind),
    )


def _target(words: Sequence[str], names: Names) -> str:
    match words:
        case [kind, "tag_match", key]:
            return f"{_MANY.get(_kind(kind), kind)} that carry a tag {key}"
        case _:
            return _about(words, names)


def _about(words: Sequence[str], names: Names) -> str:
    match words:
        case [kind]:
            return f"any {_ONE.get(_kind(kind), kind)}"
        case [kind, "id", id_]:
            return f"the {_ONE.get(_kind(kind), kind)} {names.get(id_, id_)}"
        case [kind, "tag.key", key, "tag.value", value]:
            return f"{_MANY.get(_kind(kind), kind)} tagged {key}={value}"
        case [kind, "tag_match", key]:
            return f"{_MANY.get(_kind(kind), kind)} with the target's own {key}"
        case _:
            return " ".join(words)


def ids_in(rules: Document) -> set[str]:
    """Return the ids that its tuples name."""
    resources = (
        _texts(each.get("resource")) for each in _permissions(rules.get("permissions"))
    )
    tuples = (*_tuples(rules.get("targets")), *resources)
    return {words[2] for words in tuples if len(words) == 3 and words[1] == "id"}


def linked(sentence: str, known: Mapping[str, Piece]) -> Iterator[Piece]:
    """Yield the sentence with names in place of known ids; others are of policies."""
    at, sentence = 0, f"{sentence[:1].upper()}{sentence[1:]}"
    for found in _ID.finditer(sentence):
        yield Piece(text=sentence[at : found.start()])
        id_ = found.group()
        yield known.get(id_, Piece(text="open", path=f"/access/{id_}"))
        at = found.end()
    yield Piece(text=sentence[at:])


def by_row(sentence: str) -> str:
    """Return the API's sentence with rows counted as the form counts them."""
    return _ROW.sub(lambda found: f"{found[1]} {int(found[2]) + 1}", sentence)


def _permission(permission: Document, names: Names) -> PermissionWords:
    verbs = ", ".join(_texts(permission.get("action"))) or "nothing"
    about = _about(_texts(permission.get("resource")), names)
    return PermissionWords(
        is_allow=permission.get("effect") == "allow", text=f"{about}: {verbs}"
    )


def _kind(spelling: str) -> str:
    return "secrets" if spelling == "secret" else spelling


def _tuples(value: object) -> Iterator[Sequence[str]]:
    yield from (_texts(each) for each in (value if isinstance(value, list) else ()))


def _permissions(value: object) -> Iterator[Document]:
    for each in value if isinstance(value, list) else ():
        if isinstance(each, Mapping):
            yield each


def _texts(value: object) -> Sequence[str]:
    return [str(each) for each in value] if isinstance(value, list) else []
