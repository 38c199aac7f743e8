"""JSON templates: templates whose text stays JSON, whatever their facts are.

A fact is escaped where its placeholder stands inside a string (RFC 8259 section 7) and
is written as a JSON value where it stands outside; there a missing one is `null`.
"""

import json
import re
from collections.abc import Iterator
from typing import NoReturn

from keyrelay.model.templates import Placeholder, Scalar, Template, plain

_SPACE = " \t\n\r"  # what JSON allows before its first bracket
_QUOTE = re.compile(r'\\.|"', re.DOTALL)
# Stands for a fact inside a string. It is neither an escape nor a hexadecimal digit, so
# no fact can complete an escape that the template began.
_SAMPLE = "\ue000"
# The two code points that JSON does not escape and SQS refuses.
_REFUSED = {0xFFFE: "\\ufffe", 0xFFFF: "\\uffff"}
# Made once: json.dumps would make an encoder for each value.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def json_text(value: object) -> str:
    """Return JSON on one line, in as few bytes of UTF-8 as SQS takes it in."""
    text = _ENCODER.encode(value)
    return text if text.isascii() else text.translate(_REFUSED)


def in_json_string(value: Scalar | None) -> str:
    """Return what a JSON string holds between its quotes for the fact as printed."""
    return json_text(plain(value))[1:-1]


def parse_json_template(text: str) -> Template | None:
    """Read a template that is JSON; None for every other text."""
    if not looks_like_json(text):
        return None
    template = Template.parse(text)
    template = Template.of(_placed(template.parts), template.unknown)
    try:
        json.loads(_probe(template), parse_constant=_no_json)
    except (ValueError, RecursionError):
        return None
    return template


def looks_like_json(text: str) -> bool:
    return text.lstrip(_SPACE).startswith(("{", "["))


def fills_a_key(template: Template) -> bool:
    """Tell whether a placeholder of a JSON template stands in an object's key."""
    keys: list[str] = []
    json.loads(_probe(template), object_pairs_hook=lambda p: keys.extend(dict(p)))
    return any(_SAMPLE in key for key in keys)


def has_distinct_keys(text: str) -> bool:
    """Tell whether in this JSON text no key stands twice in one object."""
    try:
        json.loads(text, object_pairs_hook=_distinct)
    except ValueError:
        return False
    return True


def _placed(parts: tuple[str | Placeholder, ...]) -> Iterator[str | Placeholder]:
    """Give each placeholder the form that its place needs."""
    inside = False
    for part in parts:
        if isinstance(part, str):
            inside ^= _QUOTE.findall(part).count('"') % 2 == 1
            yield part
        else:
            yield Placeholder(part.fact, in_json_string if inside else json_text)


def _probe(template: Template) -> str:
    return "".join(
        part
        if isinstance(part, str)
        else (_SAMPLE if part.render is in_json_string else "null")
        for part in template.parts
    )


def _no_json(_: str) -> NoReturn:
    raise ValueError


def _distinct(pairs: list[tuple[str, object]]) -> None:
    if len(dict(pairs)) != len(pairs):
        raise ValueError
