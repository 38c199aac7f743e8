"""Unreadable view: how a row that cannot be read is shown, with all its bytes."""

from keyrelay.cli.output import Document
from keyrelay.stores.unreadable import UnreadableRow


def unreadable_document(row: UnreadableRow) -> Document:
    """Return the row with its id, the reason, and its columns as they stand."""
    return {"id": row.text("id"), "unreadable": row.reason, "stored": row.document}


def unreadable_line(row: UnreadableRow, name: str) -> Document:
    """Return what a list says of the row; `name` is the column that people know."""
    return {
        "id": row.text("id"),
        name: row.text(name),
        "unreadable": row.reason,
        "tags": "unreadable",
    }
