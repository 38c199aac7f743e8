"""Golden vectors: what was sealed once and must open for ever.

`python -m tests.unit.vault.vectors` wrote vectors.json, once. A new version of a
format adds vectors; it never changes those that are there.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from keyrelay.model.secret import Secret
from keyrelay.model.tags import Tag, parse_tags, tags_document
from keyrelay.vault.envelope import _context, _seal
from keyrelay.vault.key import DataKey, Key
from keyrelay.vault.keyring import Purpose
from keyrelay.vault.keyring import _context as wrapping_context
from keyrelay.vault.local_key import key_text
from keyrelay.vault.vault import authenticator
from tests.unit.vault.samples import DATA_KEY, SECRET, STORE, local_key

PATH = Path(__file__).with_name("vectors.json")
SALT, NONCE = bytes(range(100, 132)), bytes(range(200, 212))

Vector = Mapping[str, str]


def read(family: str) -> list[tuple[str, Vector]]:
    """Return that family's vectors, each after its name."""
    document = json.loads(PATH.read_text())
    return [(vector["name"], vector) for vector in document[family]]


def data_key(vector: Vector) -> DataKey:
    key = Key(bytes.fromhex(vector["data_key"]))
    return DataKey(id=vector["data_key_id"], key=key)


def secret(vector: Vector) -> Secret:
    return Secret(
        id=vector["id"],
        profile=vector["profile"],
        key=vector["key"],
        type=vector["type"],
        version=int(vector["version"]),
        tags=parse_tags(json.loads(vector["tags"])),
    )


def _envelope(name: str, of: Secret, plaintext: str) -> Vector:
    sealed = _seal(DATA_KEY, _context(STORE, of), plaintext.encode(), SALT, NONCE)
    return {
        "name": name,
        "data_key_id": DATA_KEY.id,
        "data_key": DATA_KEY.key.reveal().hex(),
        "store_id": STORE,
        "profile": of.profile,
        "id": of.id,
        "key": of.key,
        "type": of.type,
        "version": str(of.version),
        "tags": json.dumps(tags_document(of.tags)),
        "salt": SALT.hex(),
        "nonce": NONCE.hex(),
        "plaintext": plaintext,
        "envelope": sealed.hex(),
    }


async def _wrapped(purpose: Purpose) -> Vector:
    provider = local_key(7)
    context = wrapping_context(STORE, DATA_KEY.id, purpose)
    return {
        "name": f"of purpose {purpose}",
        "key_file": key_text(provider.key),
        "provider_key": provider.id,
        "store_id": STORE,
        "purpose": purpose,
        "data_key_id": DATA_KEY.id,
        "data_key": DATA_KEY.key.reveal().hex(),
        "wrapped": (await provider.wrap(DATA_KEY.key, context)).hex(),
    }


def _authenticated(label: str) -> Vector:
    message = b"what is stored in clear"
    return {
        "name": f"for {label}",
        "label": label,
        "data_key": DATA_KEY.key.reveal().hex(),
        "message": message.hex(),
        "mac": authenticator(DATA_KEY, label)(message).hex(),
    }


async def _write() -> None:
    plain = replace(SECRET, type="text", tags=())
    foreign = replace(plain, key="schlüssel", tags=(Tag("ort", "Köln"), Tag("a", "日")))
    document = {
        "envelopes": [
            _envelope("a secret with tags", SECRET, '{"smtp_server":"mail.example"}'),
            _envelope("no tags and no text", plain, ""),
            _envelope("characters beyond ASCII", foreign, "pässwörd 🔑"),
        ],
        "wrapped_keys": [await _wrapped(purpose) for purpose in Purpose],
        "authenticators": [_authenticated(label) for label in ("audit", "versions")],
    }
    with PATH.open("x") as file:  # written once
        json.dump(document, file, indent=2, ensure_ascii=False)
        file.write("\n")


if __name__ == "__main__":
    asyncio.run(_write())
