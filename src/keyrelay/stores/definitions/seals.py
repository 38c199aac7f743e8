"""Seals: what authenticates one definition, and the index of a profile's definitions.

    seal of a row   = HMAC(Frame("keyrelay/definition/1", store, noun, columns …))
    entry           = Frame("keyrelay/definition-entry/1", store, profile, noun, id,
                            generation, seal, denies)
    seal of a head  = HMAC(Frame("keyrelay/definition-head/1", store, profile,
                            generation, count, nonce, masked total of the entries))

The columns of a row are all but its seal, in the order of their names, its generation
among them. Columns that came later count where they are not NULL: rows from before keep
their seals. The generation of a profile goes up by one with each change to one of its
definitions, and a row has that of its own last change. The head's total is that of
`vault/set_hash.py`, under a key of its own. `vault/framing.py` defines Frame.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from keyrelay.model.documents import InvalidDefinition, parse_document
from keyrelay.stores.audit.chain import Mac
from keyrelay.stores.definitions.listing import Noun
from keyrelay.vault.framing import frame
from keyrelay.vault.vault import Vault

# The keys that the vault authenticates with.
_ROWS, _SET = "definitions", "definitions/set"

_ROW, _ENTRY, _HEAD = (
    f"keyrelay/definition{what}/1" for what in ("", "-entry", "-head")
)

_LATER = {Noun.TOKEN: frozenset({"analysis", "run", "envelope"})}

Values = Mapping[str, object]  # a row's, by the names of its columns


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SealKeys:
    """The store's id, and the keys of seals and of the set hash; hold it briefly."""

    store: str
    rows: Mac
    set: Mac


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexEntry:
    """What the index says of a definition: its generation and its row's seal.

    `denies` is whether it is a policy that may deny something.
    """

    generation: int
    seal: bytes
    denies: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexHead:
    """The generation of a profile's index, how many entries it has, and their total."""

    generation: int = 0
    count: int = 0
    total: int = 0


async def seal_keys(vault: Vault) -> SealKeys:
    """Raises Unavailable while the vault is sealed."""
    return SealKeys(
        store=vault.keyring.store_id,
        rows=await vault.authenticator(_ROWS),
        set=await vault.authenticator(_SET),
    )


def seal_of(keys: SealKeys, noun: Noun, row: Values) -> bytes:
    """Return the seal of a row, whose column `mac` does not count.

    Raises ValueError or TypeError for a value that no definition holds.
    """
    later = _LATER.get(noun, frozenset())
    absent = {name for name in later if row[name] is None}
    counted = sorted(row.keys() - absent - {"mac"})
    texts = [f"{name}={_text(row[name])}" for name in counted]
    return keys.rows(frame(_ROW, keys.store, noun, *texts))


def entry_for(keys: SealKeys, noun: Noun, row: Values, generation: int) -> IndexEntry:
    """Return the entry of a row that gets this generation."""
    seal = seal_of(keys, noun, {**row, "generation": generation})
    return IndexEntry(generation=generation, seal=seal, denies=_denies(noun, row))


def message_of(
    keys: SealKeys, profile: str, subject: tuple[Noun, str], entry: IndexEntry
) -> bytes:
    """Return the entry as a member of the set."""
    noun, id_ = subject
    denies = "denies" if entry.denies else ""
    facts = (str(entry.generation), entry.seal.hex(), denies)
    return frame(_ENTRY, keys.store, profile, noun, id_, *facts)


def head_seal(
    keys: SealKeys, profile: str, head: IndexHead, nonce: bytes, masked: bytes
) -> bytes:
    facts = (str(head.generation), str(head.count), nonce.hex(), masked.hex())
    return keys.rows(frame(_HEAD, keys.store, profile, *facts))


def flaw_of(
    keys: SealKeys, noun: Noun, row: Values, entry: IndexEntry | None
) -> str | None:
    """Say in which way the row is not what the index vouches for; None, it is."""
    if entry is None:
        return "it was put in outside Keyrelay"
    try:
        seal = seal_of(keys, noun, row)
    except (ValueError, TypeError):
        seal = b""
    if hmac.compare_digest(seal, entry.seal):
        return None
    if _is_sealed_with(row, seal):
        return "it is an older row that was put back"
    return "its row was edited outside Keyrelay"


def _is_sealed_with(row: Values, seal: bytes) -> bool:
    mac = row.get("mac")
    return isinstance(mac, bytes) and seal != b"" and hmac.compare_digest(seal, mac)


def _denies(noun: Noun, row: Values) -> bool:
    """Return whether it is a policy that may deny; one that is unreadable may."""
    if noun is not Noun.POLICY:
        return False
    try:
        permissions = parse_document(str(row["document"])).get("permissions")
    except InvalidDefinition:
        return True
    allows = isinstance(permissions, list) and all(
        isinstance(each, dict) and each.get("effect") == "allow" for each in permissions
    )
    return bool(row["active"]) and not allows


def _text(value: object) -> str:
    """Return a text that no value of another type or content has."""
    match value:
        case None:
            return "null"
        case bool() | int():
            return f"number:{int(value)}"
        case str():
            return f"text:{value}"
        case bytes():
            return f"bytes:{value.hex()}"
        case datetime():
            return f"instant:{value.astimezone(UTC).isoformat()}"
        case _:
            raise TypeError("no definition holds a value of this type")
