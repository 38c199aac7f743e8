"""Secret rows: between a sealed secret and its row."""

import json
from collections.abc import Mapping

from sqlalchemy import Row

from keyrelay.model.documents import (
    InvalidDefinition,
    parse_document,
    without_read_only,
)
from keyrelay.model.secret import SealedSecret, Secret
from keyrelay.model.tags import parse_tags, tags_document
from keyrelay.stores.definitions.wildcard import fold


def row_of(sealed: SealedSecret) -> Mapping[str, object]:
    secret = sealed.secret
    return {
        "id": secret.id,
        "profile": secret.profile,
        "key": secret.key,
        "folded": fold(secret.key),
        "type": secret.type,
        "version": secret.version,
        "tags": json.dumps({"tags": tags_document(secret.tags)}),
        "envelope": sealed.envelope,
        "value_length": sealed.value_length,
        "fifo": sealed.fifo,
        "created_at": sealed.created_at,
        "updated_at": sealed.updated_at,
    }


def sealed_of(row: Row[tuple[object, ...]]) -> SealedSecret:
    """Return the row's secret; ValueError (as InvalidDefinition) if it was altered."""
    # SQLite keeps any type in any column if a row was edited by hand.
    if not isinstance(row.key, str) or not isinstance(row.envelope, bytes):
        raise InvalidDefinition("its key or its envelope is of another type")
    if not isinstance(row.version, int):
        raise InvalidDefinition("it has no version: it was put back after its end")
    return SealedSecret(
        secret=Secret(
            id=row.id,
            profile=row.profile,
            key=row.key,
            type=row.type,
            version=row.version,
            tags=parse_tags(parse_document(row.tags).get("tags")),
        ),
        envelope=row.envelope,
        value_length=row.value_length,
        fifo=row.fifo,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def settable(changes: Mapping[str, object], secret: Secret) -> Mapping[str, object]:
    """Return what an edit can set: a whole secret, as it is shown, is sent back too."""
    if changes.get("key", secret.key) != secret.key:
        raise InvalidDefinition("a secret's key never changes: create another secret")
    fields = without_read_only(changes)
    return {name: each for name, each in fields.items() if name not in ("key", "type")}
