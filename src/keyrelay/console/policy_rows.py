"""Policy rows: a policy as rows of fields, and the rows of a form as a policy."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from keyrelay.console.forms import typed_tags
from keyrelay.console.given import Given
from keyrelay.console.own_api import Document

# What each kind can be permitted, as `GET /am/settings` tells it.
Verbs = Mapping[str, Sequence[str]]

TARGET_KINDS = ("analysis", "action")
# The ways of matching, as the rows of targets and those of permissions call them.
TARGET_HOWS = (
    ("tag", "tagged"),
    ("tag_match", "carrying tag"),
    ("id", "by name"),
    ("any", "any"),
)
RESOURCE_HOWS = (
    ("tag", "tagged"),
    ("tag_match", "with its own"),
    ("id", "by name"),
    ("any", "any"),
)
_FIELDS = ("kind", "how", "key", "value", "thing")
_NUMBERED = re.compile(r"(target|permission)-(\d{1,4})-kind")
_THING = re.compile(r"\b([0-9a-f]{24})$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Matcher:
    """One tuple, field by field; of `key`, `value` and `thing` those that `how` asks.

    `thing` is an id.
    """

    kind: str
    how: str
    key: str = ""
    value: str = ""
    thing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionRow:
    effect: str
    verbs: Sequence[str]
    resource: Matcher


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRows:
    targets: Sequence[Matcher]
    permissions: Sequence[PermissionRow]


NEW_TARGET: Sequence[str] = ["analysis", "tag.key", "", "tag.value", ""]
NEW_PERMISSION: Document = {
    "effect": "allow",
    "action": ["access"],
    "resource": ["secrets", "tag.key", "", "tag.value", ""],
}


def rows_of(document: Document, verbs: Verbs) -> PolicyRows | None:
    """Return the policy as rows; None for one that rows cannot tell wholly."""
    targets, permissions = document.get("targets"), document.get("permissions")
    if not isinstance(targets, list) or not isinstance(permissions, list):
        return None
    matchers = [_matcher(each, TARGET_KINDS) for each in targets]
    rows = [_permission_row(each, verbs) for each in permissions]
    told = [each for each in matchers if each is not None]
    allowed = [each for each in rows if each is not None]
    if len(told) < len(matchers) or len(allowed) < len(rows):
        return None
    return PolicyRows(targets=told, permissions=allowed)


def is_unfinished(document: Document) -> bool:
    """Tell whether a row of the policy has a field that nothing was typed into."""
    targets, permissions = document.get("targets"), document.get("permissions")
    tuples = [*targets] if isinstance(targets, list) else []
    for each in permissions if isinstance(permissions, list) else ():
        tuples.append(each.get("resource") if isinstance(each, Mapping) else None)
    return any(isinstance(each, list) and "" in each for each in tuples)


def typed_policy(form: Given, verbs: Verbs, ids: Mapping[str, str]) -> Document:
    """Return the policy that the rows of the form tell; `ids` are those of names."""
    rows = [*_numbered(form)]
    targets = [_tuple(form, row, ids) for name, row in rows if name == "target"]
    permissions = [
        _permission(form, row, verbs, ids) for name, row in rows if name == "permission"
    ]
    return {
        "name": form.text("name"),
        "active": form.has("active"),
        "tags": typed_tags(form),
        "targets": targets,
        "permissions": permissions,
    }


def _matcher(value: object, kinds: Sequence[str]) -> Matcher | None:
    match value:
        case [str(spelling), *rest]:
            kind = "secrets" if spelling == "secret" else spelling
        case _:
            return None
    if kind not in kinds:
        return None
    match rest:
        case []:
            return Matcher(kind=kind, how="any")
        case ["id", str(thing)]:
            return Matcher(kind=kind, how="id", thing=thing)
        case ["tag.key", str(key), "tag.value", str(text)]:
            return Matcher(kind=kind, how="tag", key=key, value=text)
        case ["tag_match", str(key)]:
            return Matcher(kind=kind, how="tag_match", key=key)
        case _:
            return None


def _permission_row(value: object, verbs: Verbs) -> PermissionRow | None:
    match value:
        case {"effect": "allow" | "deny" as effect, "action": [*listed], **others}:
            resource = _matcher(others.get("resource"), [*verbs])
        case _:
            return None
    if resource is None or not all(verb in verbs[resource.kind] for verb in listed):
        return None
    return PermissionRow(
        effect=str(effect), verbs=[str(verb) for verb in listed], resource=resource
    )


def _numbered(form: Given) -> Iterator[tuple[str, str]]:
    """Yield of each row what it is, and what the names of its fields begin with.

    A row that is being removed is none.
    """
    dropped = form.text("do").removeprefix("drop-")
    for name, _ in form.pairs:
        found = _NUMBERED.fullmatch(name)
        if found and (row := name.removesuffix("-kind")) != dropped:
            yield found[1], row


def _tuple(form: Given, row: str, ids: Mapping[str, str]) -> list[str]:
    kind, how, key, value, thing = (form.text(f"{row}-{each}") for each in _FIELDS)
    match how:
        case "any":
            return [kind]
        case "id":
            return [kind, "id", id_typed(thing, ids)]
        case "tag_match":
            return [kind, "tag_match", key]
        case _:
            return [kind, "tag.key", key, "tag.value", value]


def id_typed(text: str, ids: Mapping[str, str]) -> str:
    """Return the id that a text ends with, or that of the thing of this name."""
    found = _THING.search(text)
    return found[1] if found else ids.get(text, text)


def _permission(
    form: Given, row: str, verbs: Verbs, ids: Mapping[str, str]
) -> Document:
    resource = _tuple(form, row, ids)
    possible = verbs.get(resource[0], ())
    chosen = form.texts(f"{row}-verb")
    return {
        "effect": form.text(f"{row}-effect"),
        "action": [verb for verb in possible if f"{resource[0]}.{verb}" in chosen],
        "resource": resource,
    }
