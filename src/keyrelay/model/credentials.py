"""Credentials: the document of a secret, and the fields of its value.

No message quotes a value: messages name fields. A decoder's error holds its input, so
it is replaced outside of `except`, where no new exception refers to it.
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from keyrelay.model.documents import (
    InvalidDefinition,
    parse_document,
    refuse_unknown,
    require_text,
)
from keyrelay.model.fields import Fields, fit, require_fields
from keyrelay.model.secret import SecretType, SecretValue
from keyrelay.model.tags import Tags, parse_tags

LONGEST_TEXT = 2048
LARGEST_VALUE = 8 * 1024  # bytes

_KEY = re.compile(r"[A-Za-z0-9_.-]{1,100}")


def _check_text(value: SecretValue) -> bool:
    require_text(value.reveal(), "value", longest=LONGEST_TEXT)
    return False


TEXT = SecretType(name="text", fields=(), check=_check_text)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretRules:
    """What secrets may hold. `types` are by the value of `type`."""

    types: Mapping[str, SecretType]
    tags_required: bool

    def type_called(self, name: object) -> SecretType:
        """Return the type of that name, or raise InvalidDefinition."""
        if not isinstance(name, str) or name not in self.types:
            raise InvalidDefinition(f"type must be one of {', '.join(self.types)}")
        return self.types[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretDraft:
    """A new secret that was checked and is to be sealed."""

    key: str
    type: str
    tags: Tags
    value: SecretValue
    fifo: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretEdit:
    """What an edit replaces; None leaves it as it is."""

    tags: Tags | None
    value: SecretValue | None
    fifo: bool


def parse_secret(document: Mapping[str, object], rules: SecretRules) -> SecretDraft:
    """Read TagoIO's `{key, value, tags?, type?}`, or raise InvalidDefinition."""
    refuse_unknown(document, {"key", "value", "tags", "type"}, "a secret")
    key = require_text(document.get("key"), "key", longest=100)
    if _KEY.fullmatch(key) is None:
        raise InvalidDefinition("key has 1 to 100 letters, digits, '_', '-' and '.'")
    type_ = _type(document.get("type"), document.get("value"), rules)
    value = _value(document.get("value"), type_)
    return SecretDraft(
        key=key,
        type=type_.name,
        tags=_tags(document.get("tags", []), rules),
        value=value,
        fifo=type_.check(value),
    )


def parse_secret_edit(
    document: Mapping[str, object], type_: str, rules: SecretRules
) -> SecretEdit:
    """Read TagoIO's `{value?, tags?}` for a secret of that type.

    Raises InvalidDefinition.
    """
    if "key" in document:
        raise InvalidDefinition("a secret's key never changes; create another secret")
    refuse_unknown(document, {"value", "tags"}, "a secret's edit")
    if not document:
        raise InvalidDefinition("an edit of a secret gives a value, tags or both")
    tags = _tags(document["tags"], rules) if "tags" in document else None
    if "value" not in document:
        return SecretEdit(tags=tags, value=None, fifo=False)
    type_of = rules.type_called(type_)
    value = _value(document["value"], type_of)
    return SecretEdit(tags=tags, value=value, fifo=type_of.check(value))


def parse_credential(
    document: Mapping[str, object], field: str, type_: SecretType
) -> SecretValue:
    """Read the value in a field by the rules of secrets of that type.

    Raises InvalidDefinition.
    """
    if field not in document:
        raise InvalidDefinition(
            f"{field} is missing: it is the value of a secret, which is in"
            " context.environment where a policy releases it to the analysis"
        )
    try:
        value = _value(document[field], type_)
        type_.check(value)
    except InvalidDefinition as fault:
        raise InvalidDefinition(f"{field}: {fault}") from None
    return value


def same_bytes(value: SecretValue, type_: SecretType) -> bytes:
    """Return the same bytes for the same fields, in whatever way they were written.

    They are plaintext: digest them at once.
    """
    members = read_fields(value, type_.fields, type_.name)
    return json.dumps(members, sort_keys=True).encode()


def read_fields(value: SecretValue, fields: Fields, type_: str) -> Mapping[str, object]:
    """Return the members of a value with these fields, or raise InvalidDefinition."""
    try:
        members = parse_document(value.reveal())
    except InvalidDefinition as fault:  # or it would seem to be the request's flaw
        raise InvalidDefinition(f"value: {fault}") from None
    require_fields(members, fields, f"a secret of type {type_}")
    return members


def require_printable(value: object, what: str) -> str:
    """Return a text of up to 1024 characters, or raise InvalidDefinition."""
    text = require_text(value, what, longest=1024)
    # A control character would end a line of SMTP or HTTP early. A no-break space comes
    # with what is copied from a page, and cannot be seen.
    for number, character in enumerate(text, start=1):
        if not character.isprintable():
            raise InvalidDefinition(
                f"{what} must not hold {_named(character)}, which is its character"
                f" {number}: type it rather than pasting it"
            )
    return text


def _type(given: object, value: object, rules: SecretRules) -> SecretType:
    """Return the type given, or else the one whose fields the value has exactly."""
    if given is not None:
        return rules.type_called(given)
    names = frozenset(value) if isinstance(value, dict) else _names_in(value)
    for type_ in rules.types.values():
        if type_.fields and fit(names, type_.fields):
            return type_
    return TEXT


def _names_in(value: object) -> frozenset[str]:
    try:
        document = parse_document(value) if isinstance(value, str) else {}
    except InvalidDefinition:
        return frozenset()
    return frozenset(document)


def _value(value: object, type_: SecretType) -> SecretValue:
    if isinstance(value, dict) and type_.fields:
        value = json.dumps(value)
    if not isinstance(value, str):
        raise InvalidDefinition(
            "value must be a string, or an object of exactly the fields of its type"
        )
    # Neither can be seen in a value, nor found once it is sealed.
    if value.startswith("\ufeff"):
        raise InvalidDefinition(
            "value begins with a byte order mark; save it as UTF-8 without one"
        )
    if "\0" in value:
        raise InvalidDefinition(
            "value holds NUL characters; save it as UTF-8, not as UTF-16"
        )
    if not _is_storable(value):
        raise InvalidDefinition(f"value must be text of at most {LARGEST_VALUE} bytes")
    return SecretValue(value)


def _is_storable(text: str) -> bool:
    try:
        return len(text.encode()) <= LARGEST_VALUE
    except UnicodeEncodeError:  # a lone surrogate
        return False


def _tags(value: object, rules: SecretRules) -> Tags:
    tags = parse_tags(value)
    if rules.tags_required and not tags:
        raise InvalidDefinition("a secret needs at least one tag")
    return tags


def _named(character: str) -> str:
    name = unicodedata.name(character, "control character").lower()
    return f"U+{ord(character):04X} ({name})"
