"""Canary: a value that must stand nowhere, in any of the forms it could take."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """`user` logs in with it, if it is a password."""

    name: str
    value: str
    user: str = ""

    def forms(self) -> Iterator[bytes]:
        value = self.value.encode()
        yield value
        yield value.hex().encode()
        yield json.dumps(self.value)[1:-1].encode()
        yield json.dumps(json.dumps(self.value)[1:-1])[1:-1].encode()
        yield repr(self.value)[1:-1].encode()
        yield ascii(self.value)[1:-1].encode()
        yield quote(self.value, safe="").encode()
        yield quote_plus(self.value).encode()
        yield from (self.value.encode(coding) for coding in ("utf-16-le", "utf-16-be"))
        # However much stands before it, and however the rest is padded.
        for before in range(3):
            encoded = base64.b64encode(bytes(before) + value)
            yield encoded[4 if before else 0 :].rstrip(b"=")[:-1]
        if self.user:
            plain = f"\0{self.user}\0{self.value}".encode()
            yield base64.b64encode(plain)

    def stands_in(self, text: bytes) -> bool:
        return any(form in text for form in self.forms())


def files_below(folder: Path) -> Iterator[tuple[str, bytes]]:
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            yield file.name, file.read_bytes()
