"""Files: what pages load, from the package, under addresses that never change content.

An address names the digest of all files together: a browser keeps a file for good, and
asks for another address once Keyrelay was upgraded.
"""

import gzip
import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath

FOR_GOOD = "public, max-age=31536000, immutable"  # RFC 8246


@dataclass(frozen=True, slots=True)
class ConsoleFile:
    """`compressed` is its content as gzip has it (RFC 1952)."""

    content: bytes
    compressed: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class ConsoleFiles:
    """All files by their names; `digest` is that of all together."""

    by_name: Mapping[str, ConsoleFile]
    digest: str

    def get(self, digest: str, name: str) -> ConsoleFile | None:
        return self.by_name.get(name) if digest == self.digest else None


@cache
def console_files() -> ConsoleFiles:
    """Return the files of this package, which are read and compressed once."""
    found = dict(_read(files("keyrelay.console") / "static", PurePosixPath()))
    whole = hashlib.sha256()
    for name, content in sorted(found.items()):
        whole.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
    by_name = {
        name: ConsoleFile(
            content=each,
            compressed=gzip.compress(each, mtime=0),
            media_type=_type(name),
        )
        for name, each in found.items()
    }
    return ConsoleFiles(by_name=by_name, digest=whole.hexdigest()[:16])


def _read(folder: Traversable, within: PurePosixPath) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for each in folder.iterdir():
        name = within / each.name
        if each.is_dir():
            found += _read(each, name)
        else:
            found.append((str(name), each.read_bytes()))
    return found


def _type(name: str) -> str:
    return mimetypes.guess_type(name)[0] or "text/plain"
