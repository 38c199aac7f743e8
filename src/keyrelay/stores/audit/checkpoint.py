"""Checkpoint: a signed note, outside the database, of how far each chain had got.

Inside the database a chain whose end was cut off looks like a shorter chain.
"""

import errno
import fcntl
import hmac
import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from keyrelay.concurrency.waiting import SILENT
from keyrelay.model.documents import parse_document
from keyrelay.stores.audit.chain import ChainHead, Mac
from keyrelay.vault.framing import frame

LABEL = "checkpoint"  # the key that the vault signs it with

_CONTEXT_1 = "keyrelay/checkpoint/1"  # of a file without generations
_CONTEXT = "keyrelay/checkpoint/2"

Generations = Mapping[str, int]  # of the definitions of each profile

_NONE: Generations = {}
_LONGEST_WAIT = timedelta(seconds=5)  # for the lock; the next checkpoint covers more
_BETWEEN_TRIES = timedelta(milliseconds=20)

log = logging.getLogger(__name__)


class CheckpointForged(Exception):
    """The checkpoint is not what Keyrelay wrote; keep it, for it is evidence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """How far each chain had got, and the definitions of each profile."""

    heads: tuple[ChainHead, ...] = ()
    generations: Generations = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckpointFile:
    """Shared by several processes; no chain in it ever goes back. Raises OSError."""

    path: Path

    def read(self, mac: Mac) -> Checkpoint | None:
        """Return what is noted; None, there is no file. Raises CheckpointForged."""
        try:
            text = self.path.read_text("ascii", "replace")
        except FileNotFoundError:
            return None
        found = _decode(text)
        if found is None or not hmac.compare_digest(mac(found[1]), found[2]):
            raise CheckpointForged(f"{self.path} was altered: keep it as evidence")
        return found[0]

    def advance(
        self,
        mac: Mac,
        head: ChainHead,
        after: ChainHead | None,
        generations: Generations = _NONE,
    ) -> None:
        """Note the head of a chain that began after another; durable on return.

        Raises CheckpointForged, and then leaves the file alone.
        """
        with self._locked():
            before = self.read(mac) or Checkpoint()
            heads = {known.chain: known for known in before.heads}
            known = heads.get(head.chain)
            if known is None or known.seq < head.seq:
                heads[head.chain] = head
            # A chain that ended there is covered by the chain that sealed its end.
            if after is not None and heads.get(after.chain) == after:
                del heads[after.chain]
            highest = dict(before.generations)
            for profile, generation in generations.items():
                highest[profile] = max(generation, highest.get(profile, 0))
            noted = Checkpoint(heads=tuple(heads.values()), generations=highest)
            self._replace(_encode(mac, noted))

    def replace(self, mac: Mac, noted: Checkpoint) -> None:
        """Note this instead of whatever stands there; durable on return."""
        with self._locked():
            self._replace(_encode(mac, noted))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = self.path.with_suffix(".lock")
        with os.fdopen(_opened(lock), "a") as file:
            _acquire(lock, file.fileno())
            yield

    def _replace(self, text: str) -> None:
        """Replace the file so that a power cut leaves the old one or the new one."""
        draft = self.path.with_suffix(".new")
        with os.fdopen(_opened(draft, os.O_TRUNC), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _opened(path: Path, flags: int = 0) -> int:
    """Open the file for writing; no other user may even hold a lock of it."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flags, 0o600)


def _acquire(path: Path, descriptor: int) -> None:
    """Lock the file, or raise OSError if another process holds the lock for long."""
    began, told = time.monotonic(), False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waited = timedelta(seconds=time.monotonic() - began)
        else:
            return
        if waited >= _LONGEST_WAIT:
            raise OSError(errno.EAGAIN, "another process holds it; end that", str(path))
        if waited >= SILENT and not told:
            told = True
            reason = f"another process that holds {path}"
            log.warning("waiting", extra={"reason": reason})
        time.sleep(_BETWEEN_TRIES.total_seconds())  # in a thread: see the audit log


def _encode(mac: Mac, noted: Checkpoint) -> str:
    listed = [
        {"chain": head.chain, "seq": head.seq, "mac": head.mac.hex()}
        for head in noted.heads
    ]
    document = {
        "heads": listed,
        "generations": dict(noted.generations),
        "mac": mac(_message(noted)).hex(),
    }
    return json.dumps(document) + "\n"


def _decode(text: str) -> tuple[Checkpoint, bytes, bytes] | None:
    """Return what is noted, the message that was signed, and the signature."""
    try:
        match parse_document(text):
            case {"heads": list(heads), "generations": dict(known), "mac": str(mac)}:
                noted = Checkpoint(
                    heads=tuple(map(_head, heads)),
                    generations={profile: _number(n) for profile, n in known.items()},
                )
                return noted, _message(noted), bytes.fromhex(mac)
            case {"heads": list(heads), "mac": str(mac)}:
                noted = Checkpoint(heads=tuple(map(_head, heads)))
                signed = frame(_CONTEXT_1, *_texts_of(noted.heads))
                return noted, signed, bytes.fromhex(mac)
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


def _number(value: object) -> int:
    match value:
        case int():
            return value
        case _:
            raise ValueError


def _message(noted: Checkpoint) -> bytes:
    generations = sorted(noted.generations.items())
    facts = [text for name, number in generations for text in (name, str(number))]
    count = str(len(noted.heads))
    return frame(_CONTEXT, count, *_texts_of(noted.heads), *facts)


def _texts_of(heads: tuple[ChainHead, ...]) -> list[str]:
    return [text for h in heads for text in (h.chain, str(h.seq), h.mac.hex())]
