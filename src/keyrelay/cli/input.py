"""Input: documents and values, from files, standard input and people.

A secret's value is never taken from an argument: process lists show those.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import typer

from keyrelay.cli.output import say
from keyrelay.cli.refusals import Refused, WrongUsage
from keyrelay.model.documents import DEEPEST, InvalidDefinition, parse_document
from keyrelay.model.fields import Field
from keyrelay.model.secret import SecretType
from keyrelay.model.tags import Tag

_LARGEST = 4 * 1024 * 1024  # bytes; more than any definition may have
_WHOLE = re.compile(r"[0-9]{1,9}")


def read_document(
    file: str, *, largest: int = _LARGEST, deepest: int = DEEPEST
) -> Mapping[str, object]:
    """Read one JSON object. Raises Refused or InvalidDefinition."""
    raw = _read(file, largest)
    try:
        return parse_document(raw, deepest=deepest)
    except InvalidDefinition as fault:
        raise InvalidDefinition(f"{_named(file)}: {fault}") from None


def read_bytes(file: str, *, largest: int) -> bytes:
    """Read a file as it is. Raises Refused."""
    return _read(file, largest)


def read_text(file: str) -> str:
    """Read a file as text. Raises Refused."""
    text = _text(_read(file))
    if text is None:
        raise Refused(f"{_named(file)} is not text in UTF-8")
    return text


def read_value(file: str, *, exact: bool) -> str:
    """Read a secret's value.

    One line end at its end, which editors leave behind, is left out and that is said,
    unless the value is to be `exact`. Raises Refused.
    """
    text = read_text(file)
    if exact or not text.endswith("\n"):
        return text
    say("the line end behind the value was left out; --exact keeps it")
    return text.removesuffix("\n").removesuffix("\r")


def ask_value(type_: SecretType) -> str | Mapping[str, object]:
    """Ask the person at the terminal, field by field; what is secret is not shown.

    Raises Refused, and InvalidDefinition as soon as an answer cannot be used.
    """
    if not sys.stdin.isatty():
        raise Refused("there is no terminal to ask at; give --value-file FILE, or -")
    if not type_.fields:
        return _ask(Field(name="value", description="The text.", hidden=True))
    answers: dict[str, object] = {}
    for field in type_.fields:
        if (answer := _ask(field)) or field.required:
            answers[field.name] = _typed(field, answer)
            type_.check_some(answers)
    return answers


def confirm(question: str) -> None:
    """Return if the person at the terminal agrees. Raises WrongUsage or Refused."""
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


def _ask(field: Field) -> str:
    optional = field.default is None and not field.required
    answer: str = typer.prompt(
        f"{field.name} (may be left empty)" if optional else field.name,
        default="" if optional else field.default,
        show_default=not optional,
        hide_input=field.hidden,
        err=True,
    )
    return answer


def _typed(field: Field, answer: str) -> str | int:
    """Return a number where the field wants one; what is none is refused later."""
    whole = field.schema.get("type") == "integer" and _WHOLE.fullmatch(answer)
    return int(answer) if whole else answer


def _read(file: str, largest: int = _LARGEST) -> bytes:
    try:
        if file == "-":
            raw = sys.stdin.buffer.read(largest + 1)
        else:
            with Path(file).open("rb") as opened:
                raw = opened.read(largest + 1)
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}") from None
    if len(raw) > largest:
        raise Refused(f"{_named(file)} is larger than {largest} bytes")
    return raw


def _text(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def _named(file: str) -> str:
    return "standard input" if file == "-" else file
