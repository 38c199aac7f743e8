"""Checkpoint: a signed note, outside the database, of how far each chain had got.

Inside the database a chain whose end was cut off looks like a shorter chain.
"""

import fcntl
import hmac
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from keyrelay.model.documents import parse_document
from keyrelay.stores.audit.chain import ChainHead, Mac
from keyrelay.vault.framing import frame

LABEL = "checkpoint"  # the key that the vault signs it with

_CONTEXT = "keyrelay/checkpoint/1"


class CheckpointForged(Exception):
    """The checkpoint is not what Keyrelay wrote; keep it, for it is evidence."""


@dataclass(frozen=True, slots=True)
class CheckpointFile:
    """Shared by several processes; no chain in it ever goes back. Raises OSError."""

    path: Path

    def read(self, mac: Mac) -> tuple[ChainHead, ...] | None:
        """Return the heads; None, there is no file. Raises CheckpointForged."""
        try:
            text = self.path.read_text("ascii", "replace")
        except FileNotFoundError:
            return None
        found = _decode(text)
        if found is None or not hmac.compare_digest(found[1], mac(_message(found[0]))):
            raise CheckpointForged(f"{self.path} was altered: keep it as evidence")
        return found[0]

    def advance(self, mac: Mac, head: ChainHead, after: ChainHead | None) -> None:
        """Note the head of a chain that began after another; durable on return.

        Raises CheckpointForged, and then leaves the file alone.
        """
        with self._locked():
            heads = {known.chain: known for known in self.read(mac) or ()}
            known = heads.get(head.chain)
            if known is None or known.seq < head.seq:
                heads[head.chain] = head
            # A chain that ended there is covered by the chain that sealed its end.
            if after is not None and heads.get(after.chain) == after:
                del heads[after.chain]
            self._replace(_encode(mac, tuple(heads.values())))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self.path.with_suffix(".lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _replace(self, text: str) -> None:
        """Replace the file so that a power cut leaves the old one or the new one."""
        draft = self.path.with_suffix(".new")
        with draft.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _encode(mac: Mac, heads: tuple[ChainHead, ...]) -> str:
    listed = [
        {"chain": head.chain, "seq": head.seq, "mac": head.mac.hex()} for head in heads
    ]
    return json.dumps({"heads": listed, "mac": mac(_message(heads)).hex()}) + "\n"


def _decode(text: str) -> tuple[tuple[ChainHead, ...], bytes] | None:
    try:
        match parse_document(text):
            case {"heads": list(heads), "mac": str(mac)}:
                return tuple(map(_head, heads)), bytes.fromhex(mac)
            case _:
                return None
    except ValueError:  # InvalidDefinition is one
        return None


def _head(document: object) -> ChainHead:
    match document:
        case {"chain": str(chain), "seq": int(seq), "mac": str(mac)}:
            return ChainHead(chain=chain, seq=seq, mac=bytes.fromhex(mac))
        case _:
            raise ValueError


def _message(heads: Iterable[ChainHead]) -> bytes:
    return frame(
        _CONTEXT,
        *(text for h in heads for text in (h.chain, str(h.seq), h.mac.hex())),
    )
