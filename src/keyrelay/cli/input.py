"""Input: documents and values, from files, standard input and people.

A secret's value is never taken from an argument: process lists show those.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import typer

from keyrelay.cli.refusals import Refused, WrongUsage
from keyrelay.model.documents import InvalidDefinition, parse_document
from keyrelay.model.secret import SecretType
from keyrelay.model.tags import Tag

_LARGEST = 4 * 1024 * 1024  # bytes; more than any definition may have
# Field by field, and whether it is shown while it is typed.
_SMTP = (("smtp_server", True), ("smtp_port", True), ("username", True))
_FIELDS: Mapping[SecretType, Sequence[tuple[str, bool]]] = {
    SecretType.SMTP: (*_SMTP, ("password", False)),
    SecretType.AWS_SQS: (
        ("aws_region", True),
        ("queue_url", True),
        ("access_key_id", True),
        ("secret_access_key", False),
    ),
}
_PORT = re.compile(r"[0-9]{1,5}")
_DEFAULTS = {"smtp_port": "587"}


def read_document(file: str) -> Mapping[str, object]:
    """Read one JSON object. Raises Refused or InvalidDefinition."""
    raw = _read(file)
    try:
        return parse_document(raw)
    except InvalidDefinition as fault:
        raise InvalidDefinition(f"{_named(file)}: {fault}") from None


def read_value(file: str) -> str:
    """Read a secret's value, without the line end that editors leave behind."""
    text = _text(_read(file))
    if text is None:
        raise Refused(f"{_named(file)} is not text in UTF-8")
    return text.removesuffix("\n").removesuffix("\r")


def ask_value(type_: SecretType | None) -> str | Mapping[str, object]:
    """Ask whoever sits at the terminal; what is secret is not shown."""
    if not sys.stdin.isatty():
        raise Refused("there is no terminal to ask at; give --value-file FILE, or -")
    fields = _FIELDS.get(type_ or SecretType.TEXT)
    if fields is None:
        return _ask("value", shown=False)
    answers = {name: _ask(name, shown=shown) for name, shown in fields}
    # The only field that is no text; what is no number is refused like any other.
    port = answers.get("smtp_port", "")
    return answers | ({"smtp_port": int(port)} if _PORT.fullmatch(port) else {})


def confirm(question: str) -> None:
    """Return if whoever sits at the terminal agrees. Raises WrongUsage or Refused."""
    if not sys.stdin.isatty():
        raise WrongUsage("there is no terminal to ask at; give --yes")
    if not typer.confirm(question, err=True):
        raise Refused("nothing was changed")


def parse_tag_options(given: Sequence[str]) -> tuple[Tag, ...]:
    """Read `key=value` each. Raises InvalidDefinition."""
    tags = []
    for text in given:
        key, equals, value = text.partition("=")
        if not (key and equals and value):
            raise InvalidDefinition("a tag is given as KEY=VALUE, like team=north")
        tags.append(Tag(key, value))
    return tuple(tags)


def _ask(name: str, *, shown: bool) -> str:
    answer: str = typer.prompt(
        name, default=_DEFAULTS.get(name), hide_input=not shown, err=True
    )
    return answer


def _read(file: str) -> bytes:
    try:
        if file == "-":
            raw = sys.stdin.buffer.read(_LARGEST + 1)
        else:
            with Path(file).open("rb") as opened:
                raw = opened.read(_LARGEST + 1)
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}") from None
    if len(raw) > _LARGEST:
        raise Refused(f"{_named(file)} is larger than {_LARGEST} bytes")
    return raw


def _text(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def _named(file: str) -> str:
    return "standard input" if file == "-" else file
