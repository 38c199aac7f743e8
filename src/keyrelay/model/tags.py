"""Tags: labels of a key and a value, and the things that carry them."""

from collections.abc import Mapping
from dataclasses import dataclass

from keyrelay.model.documents import (
    InvalidDefinition,
    refuse_unknown,
    require_label,
    require_list,
    require_object,
)
from keyrelay.model.scripts import mixes_scripts

MOST_TAGS = 30
LONGEST_TAG = 100


@dataclass(frozen=True, slots=True)
class Tag:
    key: str
    value: str


Tags = tuple[Tag, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagged:
    """A thing that a policy can name: by its kind, id or tags, within its profile."""

    kind: str
    profile: str
    id: str
    tags: Tags


def parse_tags(value: object) -> Tags:
    """Read TagoIO's list of `{key, value}`, at most 30, or raise InvalidDefinition."""
    entries = require_list(value, "tags", longest=MOST_TAGS)
    tags = tuple(_parse_tag(require_object(entry, "a tag")) for entry in entries)
    # People read Site and site as the same key.
    if len({tag.key.casefold() for tag in tags}) != len(tags):
        raise InvalidDefinition("tags must not have the same key twice")
    return tags


def tags_document(tags: Tags) -> list[Mapping[str, str]]:
    """Return the list that `parse_tags` reads as these tags."""
    return [{"key": tag.key, "value": tag.value} for tag in tags]


def require_tag_text(value: object, what: str) -> str:
    """Return a tag's key or value: a label of one script. Raises InvalidDefinition."""
    text = require_label(value, what, longest=LONGEST_TAG)
    if mixes_scripts(text):
        raise InvalidDefinition(
            f"{what} must be written in one script; letters of two alphabets, or digits"
            " of two systems, may look the same"
        )
    return text


def _parse_tag(entry: Mapping[str, object]) -> Tag:
    refuse_unknown(entry, {"key", "value"}, "a tag")
    return Tag(
        key=require_tag_text(entry.get("key"), "a tag's key"),
        value=require_tag_text(entry.get("value"), "a tag's value"),
    )
