"""Analyses: scripts that are given `context.environment`, and the versions of each.

Who may have which secret in it is decided by policies, whose target an analysis is.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from keyrelay.model.documents import (
    InvalidDefinition,
    refuse_unknown,
    require_bool,
    require_label,
    require_list,
    require_object,
    require_text,
)
from keyrelay.model.interval import parse_interval
from keyrelay.model.policy.kinds import ANALYSIS
from keyrelay.model.tags import Tagged, parse_tags

LONGEST_NAME = 100
LONGEST_FILE_NAME = 255
LARGEST_SCRIPT = 5 * 1024 * 1024  # bytes
MOST_VARIABLES = 20
LONGEST_KEY = 100
LONGEST_VALUE = 8 * 1024

# fmt: off
_FIELDS = frozenset({
    "name", "active", "tags", "description", "interval", "run_on", "file_name",
    "runtime", "variables",
})
# fmt: on
_KEY = re.compile(r"[A-Za-z0-9_.-]+")
# A base name: no separator of any system, no drive, nothing that climbs.
_FILE_NAME = re.compile(r"[A-Za-z0-9_ -][A-Za-z0-9_. -]*")


# Words for what is secret, and how well-known credentials begin.
_CREDENTIAL_KEY = re.compile(
    r"passw|passphrase|secret|credential|token|api[_.-]?key|private[_.-]?key",
    re.IGNORECASE,
)
_CREDENTIAL = re.compile(
    r"AKIA|ASIA|gh[pousr]_|github_pat_|glpat-|xox[abps]-|sk-|sk_live_|eyJ|-----BEGIN "
)


class RunOn(StrEnum):
    """Where an analysis runs."""

    HOSTED = "tago"
    EXTERNAL = "external"


class Runtime(StrEnum):
    """What an analysis is written for; deno and others are kept, and not run."""

    NODE_LEGACY = "node-legacy"
    PYTHON_LEGACY = "python-legacy"
    NODE = "node-rt2025"
    PYTHON = "python-rt2025"
    DENO = "deno-rt2025"
    OTHER = "other"


Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Variable:
    """A pair of the environment that is no secret; it beats a secret of its key."""

    key: str
    value: Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """`interval` is how often it is run by itself; None, never."""

    tagged: Tagged
    name: str
    active: bool
    run_on: RunOn
    runtime: Runtime
    interval: timedelta | None
    variables: tuple[Variable, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptDraft:
    """A script as it is uploaded: one file, or an archive."""

    file_name: str
    language: Runtime
    content: bytes


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedAnalysis:
    """An analysis and its scripts; `version` is the one that runs, None without any."""

    analysis: Analysis
    versions: tuple[ScriptVersion, ...] = ()
    version: int | None = None


def parse_analysis(document: Mapping[str, object], id_: str, profile: str) -> Analysis:
    """Read TagoIO's document of an analysis, or raise InvalidDefinition.

    `description` and `file_name` are checked here, and kept as they were sent.
    """
    refuse_unknown(document, _FIELDS, "an analysis")
    description = document.get("description")
    if description is not None:  # TagoIO's clients may send null
        require_text(description, "description", longest=2000, shortest=0)
    if document.get("file_name") is not None:
        require_file_name(document["file_name"])
    tags = parse_tags(document.get("tags", []))
    return Analysis(
        tagged=Tagged(kind=ANALYSIS, profile=profile, id=id_, tags=tags),
        name=require_label(document.get("name"), "name", longest=LONGEST_NAME),
        active=require_bool(document.get("active", True), "active"),
        run_on=parse_run_on(document.get("run_on")),
        runtime=parse_runtime(document.get("runtime"), "runtime"),
        interval=parse_interval(document.get("interval")),
        variables=_variables(document.get("variables")),
    )


def parse_run_on(value: object) -> RunOn:
    """Read where an analysis runs; None is hosted. Raises InvalidDefinition."""
    if value is None:
        return RunOn.HOSTED
    if not isinstance(value, str) or value not in {*RunOn}:
        raise InvalidDefinition(f"run_on must be one of {', '.join(RunOn)}")
    return RunOn(value)


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


def looks_like_credential(variable: Variable) -> bool:
    """Tell whether a variable is named, or begins, as credentials are: a guess."""
    value = variable.value
    named = _CREDENTIAL_KEY.search(variable.key) is not None
    return isinstance(value, str) and (
        (named and value != "") or _CREDENTIAL.match(value) is not None
    )


def version_of(versions: Sequence[ScriptVersion], number: int) -> ScriptVersion:
    """Return the version of that number. Raises InvalidDefinition."""
    for version in versions:
        if version.number == number:
            return version
    there = f"1 to {len(versions)}" if versions else "none: upload a script first"
    raise InvalidDefinition(f"there is no such version; there are {there}")


def _variables(value: object) -> tuple[Variable, ...]:
    if value is None:
        return ()
    entries = require_list(value, "variables", longest=MOST_VARIABLES)
    variables = tuple(_variable(require_object(each, "a variable")) for each in entries)
    if len({each.key for each in variables}) != len(variables):
        raise InvalidDefinition("variables must not have the same key twice")
    return variables


def _variable(entry: Mapping[str, object]) -> Variable:
    refuse_unknown(entry, {"key", "value"}, "a variable")
    key = require_text(entry.get("key"), "a variable's key", longest=LONGEST_KEY)
    if _KEY.fullmatch(key) is None:
        raise InvalidDefinition(
            "a variable's key has letters, digits, '_', '-' and dots"
        )
    match entry.get("value"):
        case str(text):
            longest = LONGEST_VALUE
            require_text(text, "a variable's value", longest=longest, shortest=0)
            return Variable(key, text)
        case bool() | int() | float() as value:
            return Variable(key, value)
        case _:
            raise InvalidDefinition(
                "a variable's value is a text, a number, true or false"
            )
