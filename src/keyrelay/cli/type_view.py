"""Types: what the documents of each type of secret or action hold, shown."""

from collections.abc import Mapping

from keyrelay.cli.output import put_document, show_table
from keyrelay.model.fields import Fields, schema_of

_COLUMNS = ("type", "field", "required", "holds")


def show_types(types: Mapping[str, Fields], *, as_json: bool) -> None:
    """Print a line a field; as JSON, the JSON Schema of each type."""
    if as_json:
        put_document({name: schema_of(fields) for name, fields in types.items()})
        return
    rows = [
        {
            "type": name,
            "field": field.name,
            "required": field.required,
            "holds": field.description,
        }
        for name, fields in types.items()
        for field in fields
    ]
    show_table(rows, _COLUMNS)
