"""Scripts: what is uploaded of an analysis, and how its versions are told apart."""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from keyrelay.model.documents import InvalidDefinition, refuse_unknown, require_text

LONGEST_FILE_NAME = 255
LARGEST_SCRIPT = 5 * 1024 * 1024  # bytes

# A base name: no separator of any system, no drive, nothing that climbs.
_FILE_NAME = re.compile(r"[A-Za-z0-9_ -][A-Za-z0-9_. -]*")


class Runtime(StrEnum):
    """What an analysis is written for; deno and others are kept, and not run."""

    NODE_LEGACY = "node-legacy"
    PYTHON_LEGACY = "python-legacy"
    NODE = "node-rt2025"
    PYTHON = "python-rt2025"
    DENO = "deno-rt2025"
    OTHER = "other"

    @property
    def is_run(self) -> bool:
        return self not in (Runtime.DENO, Runtime.OTHER)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptVersion:
    """One upload: its number, from 1, and what its content is known again by.

    `digest` is SHA-256 in hexadecimal digits.
    """

    number: int
    file_name: str
    language: Runtime
    size: int
    digest: str
    uploaded_at: datetime

    def __str__(self) -> str:
        return f"version {self.number}, {self.file_name}, sha256 {self.digest}"

    def is_of(self, content: bytes) -> bool:
        """Tell whether this is what was uploaded."""
        return _digest(content) == self.digest


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptDraft:
    """A script as it is uploaded: one file, or an archive."""

    file_name: str
    language: Runtime
    content: bytes

    def as_version(self, number: int, at: datetime) -> ScriptVersion:
        return ScriptVersion(
            number=number,
            file_name=self.file_name,
            language=self.language,
            size=len(self.content),
            digest=_digest(self.content),
            uploaded_at=at,
        )


def parse_runtime(value: object, what: str) -> Runtime:
    """Read a runtime; None is that of TagoIO's newest Node.js.

    Raises InvalidDefinition.
    """
    if value is None:
        return Runtime.NODE
    if not isinstance(value, str) or value not in {*Runtime}:
        raise InvalidDefinition(f"{what} must be one of {', '.join(Runtime)}")
    return Runtime(value)


def require_file_name(value: object) -> str:
    """Return a base name, which no folder can be left by. Raises InvalidDefinition."""
    name = require_text(value, "file_name", longest=LONGEST_FILE_NAME)
    if _FILE_NAME.fullmatch(name) is None:
        raise InvalidDefinition(
            "file_name must be the name of a file without its folder, of letters,"
            " digits, '_', '-', blanks and dots, and not begin with a dot"
        )
    return name


def parse_script(document: Mapping[str, object]) -> ScriptDraft:
    """Read an upload, `{file: base64, file_name, language?}`.

    Raises InvalidDefinition.
    """
    known = {"file", "file_name", "language"}
    refuse_unknown(document, known, "the upload of a script")
    text = document.get("file")
    if not isinstance(text, str):
        raise InvalidDefinition("file must be a string")
    # What it is decoded to has three bytes for each four characters.
    require_script_size(max(1, len(text) * 3 // 4 - 2))
    try:
        content = base64.b64decode(text, validate=True)
    except ValueError:
        content = None
    # Raised here, outside `except`: the decoder's error may hold the input.
    if content is None:
        raise InvalidDefinition("file must be the script's bytes in base64 (RFC 4648)")
    require_script_size(len(content))
    return ScriptDraft(
        file_name=require_file_name(document.get("file_name")),
        language=parse_runtime(document.get("language"), "language"),
        content=content,
    )


def require_script_size(size: int) -> None:
    """Raise InvalidDefinition for a script of a size, in bytes, that is refused."""
    if not 1 <= size <= LARGEST_SCRIPT:
        raise InvalidDefinition(f"a script must have 1 to {LARGEST_SCRIPT} bytes")


def version_of(versions: Sequence[ScriptVersion], number: int) -> ScriptVersion:
    """Return the version of that number. Raises InvalidDefinition."""
    for version in versions:
        if version.number == number:
            return version
    there = f"1 to {len(versions)}" if versions else "none: upload a script first"
    raise InvalidDefinition(f"there is no such version; there are {there}")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
