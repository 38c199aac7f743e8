"""Fields: the members of a JSON object, defined once for parser, prompt and schema."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from keyrelay.model.documents import InvalidDefinition


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One member of a JSON object.

    `description` is one line for people; `schema` is its JSON Schema (draft 2020-12).
    What is typed for a `hidden` field is not shown; `default` is what a prompt offers.
    """

    name: str
    description: str
    schema: Mapping[str, object] = field(default_factory=lambda: {"type": "string"})
    required: bool = True
    hidden: bool = False
    default: str | None = None


Fields = Sequence[Field]


def required_names(fields: Fields) -> frozenset[str]:
    return frozenset(each.name for each in fields if each.required)


def all_names(fields: Fields) -> frozenset[str]:
    return frozenset(each.name for each in fields)


def fit(names: frozenset[str], fields: Fields) -> bool:
    """Whether an object with members of these names may be one with these fields."""
    return required_names(fields) <= names <= all_names(fields)


def require_fields(document: Mapping[str, object], fields: Fields, what: str) -> None:
    """Raise InvalidDefinition unless the document's members are these fields.

    The names of unknown members are not quoted: any part of a secret's value may be
    secret.
    """
    missing = sorted(required_names(fields) - document.keys())
    if missing:
        raise InvalidDefinition(f"{what} needs {', '.join(missing)}")
    if document.keys() - all_names(fields):
        listed = ", ".join(sorted(all_names(fields)))
        raise InvalidDefinition(f"{what} has only {listed}")


def schema_of(fields: Fields) -> Mapping[str, object]:
    """Return the JSON Schema of an object with these fields and no others."""
    return {
        "type": "object",
        "properties": {
            each.name: {"description": each.description, **each.schema}
            for each in fields
        },
        "required": [each.name for each in fields if each.required],
        "additionalProperties": False,
    }
