"""Stored documents: what is read of a definition that is stored as it was sent."""

from dataclasses import dataclass
from datetime import datetime

from keyrelay.model.documents import parse_document
from keyrelay.stores.definitions.document_kind import Document
from keyrelay.stores.unreadable import AnyRow, UnreadableRow


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDocument:
    """A definition as it was sent, with its id and its times.

    `etag` is opaque, and another one after each change.
    """

    id: str
    document: Document
    created_at: datetime
    updated_at: datetime
    etag: str = ""


AnyStored = StoredDocument | UnreadableRow


def stored_of(row: AnyRow) -> StoredDocument:
    """Return the row's document. Raises InvalidDefinition."""
    return StoredDocument(
        id=row.id,
        document=parse_document(str(row.document)),
        created_at=row.created_at,
        updated_at=row.updated_at,
        etag=str(row.generation),
    )


def id_of(stored: AnyStored) -> str:
    match stored:
        case StoredDocument():
            return stored.id
        case UnreadableRow():
            return stored.text("id")


def etag_of(stored: AnyStored) -> str:
    match stored:
        case StoredDocument():
            return stored.etag
        case UnreadableRow():
            return stored.text("generation")


def name_of(stored: AnyStored) -> str:
    match stored:
        case StoredDocument():
            return str(stored.document.get("name", ""))
        case UnreadableRow():
            return stored.text("name")
