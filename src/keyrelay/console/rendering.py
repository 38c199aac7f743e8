"""Rendering: from a template and the facts that it tells to HTML, all of it escaped."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from keyrelay.console.files import console_files

_UNITS = (
    (timedelta(days=365), "year"),
    (timedelta(days=30), "month"),
    (timedelta(days=1), "day"),
    (timedelta(hours=1), "hour"),
    (timedelta(minutes=1), "min"),
    (timedelta(seconds=1), "s"),
)
_COUNTED = {"year", "month", "day", "hour"}  # which have a plural


def render(template: str, facts: Mapping[str, object]) -> str:
    return _environment().get_template(template).render(facts)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("keyrelay.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["ago"] = ago
    environment.filters["instant"] = instant
    environment.filters["pretty"] = pretty
    environment.filters["as_options"] = as_options
    environment.filters["took"] = took
    environment.globals["static"] = f"/console/static/{console_files().digest}"
    return environment


def instant(text: object) -> datetime | None:
    """Return a time of a document; None for one that has not come, or is none."""
    try:
        return datetime.fromisoformat(str(text)).astimezone(UTC)
    except ValueError:
        return None


def ago(at: datetime, now: datetime) -> str:
    """Return how long before or after now a time is, in its largest unit."""
    length = abs(now - at)
    for unit, name in _UNITS:
        if length >= unit:
            count = length // unit
            word = f"{name}s" if name in _COUNTED and count != 1 else name
            return f"in {count} {word}" if at > now else f"{count} {word} ago"
    return "now"


def took(record: Mapping[str, object] | None) -> str:
    """Return how long an attempt took, by its record; "" where that is not known."""
    began, ended = (instant((record or {}).get(at)) for at in ("started_at", "at"))
    if began is None or ended is None:
        return ""
    seconds = max(0.0, (ended - began).total_seconds())
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def pretty(document: object) -> str:
    """Return a document as JSON that people can read."""
    return json.dumps(document, indent=2, ensure_ascii=False)


def as_options(words: Iterable[str]) -> list[tuple[str, str]]:
    """Return the options of a choice among words that are shown as they are."""
    return [(word, word) for word in words]
