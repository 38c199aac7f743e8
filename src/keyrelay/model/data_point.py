"""Data points: a trigger's data, as facts for templates and as JSON to send."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from keyrelay.model.documents import (
    DEEPEST,
    InvalidDefinition,
    require_list,
    require_object,
    require_shallow,
    require_text,
)
from keyrelay.model.instant import parse_instant, wire_instant
from keyrelay.model.templates import Fact, Facts, Scalar

MOST_POINTS = 1000
_DEEPEST_POINT = DEEPEST - 2  # within the list, within the trigger

_POINT_FACTS = (
    (Fact.VARIABLE, "variable", "a data point's variable"),
    (Fact.UNIT, "unit", "a data point's unit"),
    (Fact.DEVICE, "device", "a data point's device"),
    (Fact.DEVICE_NAME, "device_name", "a data point's device_name"),
)
_SCALARS = (str, int, float, bool)
# In ASCII, which every store, peer and log accepts. json.dumps would make an encoder
# for each data point.
_JSON = json.JSONEncoder(separators=(",", ":"))
_NO_LOCATION = "a location has numbers lat and lng, or GeoJSON coordinates"


@dataclass(frozen=True, slots=True)
class DataPoint:
    """One measurement: the facts that templates can print, and all fields as sent."""

    facts: Facts
    fields: Mapping[str, object]

    @property
    def document(self) -> str:
        """Return the fields as JSON, made only on request: a mail does not need it."""
        return _JSON.encode(self.fields)


def facts_of(points: Sequence[DataPoint], raised_at: datetime) -> Facts:
    """Return the facts of the first point.

    A point without a time is as old as its trigger. A locked action is not performed,
    so the state is always `unlocked`.
    """
    facts: dict[Fact, Scalar] = {Fact.ACTION_STATE: "unlocked"}
    if points:
        facts.update(points[0].facts)
    if Fact.TIME not in facts:
        facts[Fact.TIME] = wire_instant(raised_at)
    return facts


def parse_points(value: object) -> tuple[DataPoint, ...]:
    """Read None, one data point or a list of up to MOST_POINTS of them.

    Raises InvalidDefinition.
    """
    if value is None:
        return ()
    if isinstance(value, dict):
        # It is stored in a list, in which it must not be too deep to be read again.
        require_shallow(value, "a data point", levels=_DEEPEST_POINT)
    points = [value] if isinstance(value, dict) else value
    return tuple(
        [
            _point(require_object(point, "a data point"))
            for point in require_list(points, "data", longest=MOST_POINTS)
        ]
    )


def _point(fields: Mapping[str, object]) -> DataPoint:
    facts: dict[Fact, Scalar] = {}
    for fact, name, what in _POINT_FACTS:
        if (text := fields.get(name)) is not None:
            facts[fact] = require_text(text, what, longest=1000)
    if (value := fields.get("value")) is not None:
        facts[Fact.VALUE] = _scalar(value)
    if (time := parse_instant(fields.get("time"), "a data point's time")) is not None:
        facts[Fact.TIME] = wire_instant(time)
    if (location := fields.get("location")) is not None:
        facts[Fact.LOCATION] = _location(require_object(location, "location"))
    return DataPoint(facts, fields)


def _scalar(value: object) -> Scalar:
    if not isinstance(value, _SCALARS):
        raise InvalidDefinition("a data point's value is text, a number, true or false")
    return value


def _location(location: Mapping[str, object]) -> str:
    """Print `lat,lng` from TagoIO's own shape or from GeoJSON (RFC 7946)."""
    match location:
        case {"lat": lat, "lng": lng} | {"coordinates": [lng, lat, *_]}:
            return f"{_degrees(lat)},{_degrees(lng)}"
        case _:
            raise InvalidDefinition(_NO_LOCATION)


def _degrees(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidDefinition(_NO_LOCATION)
    return repr(value)
