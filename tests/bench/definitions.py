"""Definitions: very many, put where they are kept without going through each edit."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import Table, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.app.store import Store
from keyrelay.model.secret import SealedSecret, Secret, SecretValue
from keyrelay.model.tags import Tag
from keyrelay.stores.definitions.indexing import rebuild
from keyrelay.stores.definitions.seals import seal_keys
from keyrelay.stores.definitions.secret_rows import row_of
from keyrelay.stores.definitions.wildcard import fold
from keyrelay.stores.schema.tables import (
    actions,
    installation,
    policies,
    secrets,
)

_VALUE = SecretValue(
    '{"smtp_server":"mail.example.com","smtp_port":587,'
    '"username":"relay","password":"hunter2"}'
)
_NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
_CHUNK = 1000

Row = Mapping[str, object]


def action_id(number: int) -> str:
    return f"a{number:023x}"


async def fill(store: Store, profile: str, count: int) -> None:
    """Keep that many actions, each with a secret and a policy of its own."""
    sealed = [await _sealed(store, profile, number) for number in range(count)]
    keys = await seal_keys(store.vault)
    async with store.database.writing() as connection:
        numbers = range(count)
        await _add(connection, secrets, [row_of(each) for each in sealed])
        await _add(connection, actions, [_action(profile, n) for n in numbers])
        await _add(connection, policies, [_policy(profile, n) for n in numbers])
        await rebuild(connection, keys, profile, 1)
        await connection.execute(
            update(installation).values(revision=installation.c.revision + 1)
        )


async def _add(connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
    for first in range(0, len(rows), _CHUNK):
        await connection.execute(insert(table), rows[first : first + _CHUNK])


async def _sealed(store: Store, profile: str, number: int) -> SealedSecret:
    secret = Secret(
        id=f"5{number:023x}",
        profile=profile,
        key=f"mail-{number}",
        type="smtp",
        version=1,
        tags=(Tag("site", str(number)),),
    )
    return SealedSecret(
        secret=secret,
        envelope=await store.vault.seal(secret, _VALUE),
        value_length=len(_VALUE.reveal()),
        fifo=False,
        created_at=_NOW,
        updated_at=_NOW,
    )


def _action(profile: str, number: int) -> Row:
    secret = f"5{number:023x}"
    does = {
        "type": "email-smtp",
        "from": "relay@example.com",
        "to": f"keeper-{number}@example.com",
        "subject": "$VARIABLE$ is $VALUE$",
        "message": f"It is $VALUE$ $UNIT$ at door {number}, since $TIME$.",
        "smtp_secret": secret,
    }
    tags = [{"key": "site", "value": str(number)}]
    document = {"name": f"Tell {number}", "tags": tags, "action": does}
    row = _row(profile, action_id(number), document)
    return {**row, "secret": secret}


def _policy(profile: str, number: int) -> Row:
    """One that is about its own site, so that each has to be found by its tags."""
    site = ["tag.key", "site", "tag.value", str(number)]
    permission = {
        "effect": "allow",
        "action": ["access"],
        "resource": ["secrets", "tag_match", "site"],
    }
    document = {
        "name": f"Site {number}",
        "targets": [["action", *site]],
        "permissions": [permission],
    }
    return _row(profile, f"e{number:023x}", document)


def _row(profile: str, id_: str, document: Mapping[str, object]) -> Row:
    name = str(document["name"])
    return {
        "id": id_,
        "profile": profile,
        "name": name,
        "folded": fold(name),
        "active": True,
        "document": json.dumps(document),
        "created_at": _NOW,
        "updated_at": _NOW,
    }
