"""Patterns: the tuples by which policies name targets and resources.

The patterns that match a thing are few and can be listed, so that matching is a lookup
of each in an index, whose cost does not grow with policies about other things.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from keyrelay.model.documents import InvalidDefinition, require_list
from keyrelay.model.ids import is_id
from keyrelay.model.policy.kinds import is_here
from keyrelay.model.tags import Tag, Tagged, require_tag_text


@dataclass(frozen=True, slots=True)
class OfKind:
    """`[kind]`: everything of that kind."""

    kind: str


@dataclass(frozen=True, slots=True)
class WithId:
    """`[kind, "id", id]`: that one."""

    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class WithTag:
    """`[kind, "tag.key", key, "tag.value", value]`: all that carry that tag."""

    kind: str
    tag: Tag


@dataclass(frozen=True, slots=True)
class WithTargetsTag:
    """`[kind, "tag_match", key]`: all that carry key with the target's own value."""

    kind: str
    key: str


Pattern = OfKind | WithId | WithTag | WithTargetsTag


def patterns_of(thing: Tagged, target: Tagged) -> tuple[Pattern, ...]:
    """Return every pattern that matches `thing` when `target` asks, closest first.

    Where `thing` is the target itself, `tag_match` asks only that it carries the key.
    """
    kind = thing.kind
    patterns: list[Pattern] = [WithId(kind, thing.id)]
    if thing.tags:
        patterns += [WithTag(kind, tag) for tag in thing.tags]
        shared = [tag.key for tag in thing.tags if tag in target.tags]
        patterns += [WithTargetsTag(kind, key) for key in shared]
    patterns.append(OfKind(kind))
    return tuple(patterns)


def parse_pattern(value: object, kinds: Mapping[str, str], what: str) -> Pattern:
    """Read one tuple, or raise InvalidDefinition; `kinds` maps spellings to kinds."""
    match require_list(value, what, longest=5):
        case [str(spelling), *rest] if spelling in kinds:
            return _parse_rest(rest, kinds[spelling], what)
        case _:
            named = dict.fromkeys(kinds.values())
            here = " or ".join(f'"{kind}"' for kind in named if is_here(kind))
            others = ", ".join(kind for kind in named if not is_here(kind))
            kept = others and f"; kept, and matching nothing here: {others}"
            raise InvalidDefinition(f"{what} must begin with {here}{kept}")


def words(pattern: Pattern) -> tuple[str, ...]:
    """Return the tuple that `parse_pattern` reads as this pattern."""
    match pattern:
        case OfKind(kind):
            return (kind,)
        case WithId(kind, id_):
            return kind, "id", id_
        case WithTag(kind, tag):
            return kind, "tag.key", tag.key, "tag.value", tag.value
        case WithTargetsTag(kind, key):
            return kind, "tag_match", key
        case _:
            assert_never(pattern)


def tag_key(pattern: Pattern) -> str | None:
    """Return the key of the tag that the pattern asks for, if it asks for one."""
    match pattern:
        case WithTag(_, tag):
            return tag.key
        case WithTargetsTag(_, key):
            return key
        case OfKind() | WithId():
            return None
        case _:
            assert_never(pattern)


def _parse_rest(rest: list[object], kind: str, what: str) -> Pattern:
    match rest:
        case []:
            return OfKind(kind)
        case ["id", id_]:
            if not isinstance(id_, str) or not is_id(id_):
                raise InvalidDefinition(f"the id in {what} must be a 24-character id")
            return WithId(kind, id_)
        case ["tag.key", key, "tag.value", value]:
            return WithTag(kind, Tag(_key(key, what), _label(value, what, "value")))
        case ["tag_match", key]:
            return WithTargetsTag(kind, _key(key, what))
        case _:
            raise InvalidDefinition(
                f'{what} must be ["{kind}"], ["{kind}", "id", id],'
                f' ["{kind}", "tag.key", key, "tag.value", value]'
                f' or ["{kind}", "tag_match", key]'
            )


def _key(value: object, what: str) -> str:
    return _label(value, what, "key")


def _label(value: object, what: str, part: str) -> str:
    return require_tag_text(value, f"the tag's {part} in {what}")
