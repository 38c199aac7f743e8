"""Points: a trigger's document, put together from options."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from keyrelay.cli.moments import parse_future
from keyrelay.cli.refusals import WrongUsage
from keyrelay.model.documents import InvalidDefinition, parse_document


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where and when something was measured, as it was written."""

    device: str | None
    device_name: str | None
    time: str | None
    location: str | None

    @property
    def fields(self) -> Mapping[str, object]:
        return {
            "device": self.device,
            "device_name": self.device_name,
            "time": self.time,
            "location": self.location and _location(self.location),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PointOptions:
    """What was measured, as it was written; `data` is JSON for all of it."""

    variable: str | None
    value: str | None
    unit: str | None
    place: Place
    data: str | None

    @property
    def is_empty(self) -> bool:
        return not self.points

    @property
    def points(self) -> object:
        """Return the data points. Raises WrongUsage or InvalidDefinition."""
        fields = {
            "variable": self.variable,
            "value": None if self.value is None else _plain(self.value),
            "unit": self.unit,
            **self.place.fields,
        }
        point = _without_none(fields)
        if self.data is None:
            return [point] if point else None
        if point:
            raise WrongUsage("--data holds all data points: give it without the others")
        return _data(self.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerHead:
    """A trigger without its data, as it was written."""

    action: str | None
    id: str | None
    key: str | None
    deadline: str | None

    @property
    def is_empty(self) -> bool:
        return not any((self.action, self.id, self.key, self.deadline))


def trigger_document(
    head: TriggerHead, action: str, reading: PointOptions, now: datetime
) -> bytes:
    """Return the JSON of a trigger of the action with that id.

    Raises WrongUsage or InvalidDefinition.
    """
    fields = {
        "id": head.id,
        "action": action,
        "key": head.key,
        "deadline": head.deadline and parse_future(head.deadline, now).isoformat(),
        "data": reading.points,
    }
    return json.dumps(_without_none(fields)).encode()


def _without_none(fields: Mapping[str, object]) -> Mapping[str, object]:
    return {name: value for name, value in fields.items() if value is not None}


def _data(text: str) -> object:
    try:
        return parse_document(f'{{"data": {text}}}')["data"]
    except (InvalidDefinition, KeyError):
        raise InvalidDefinition(
            "--data is a JSON object or a list of them, in which no key stands twice"
        ) from None


def _plain(text: str) -> object:
    """Take what reads as a JSON number or truth for that, all else for text."""
    try:
        document = parse_document(f'{{"value": {text}}}')
    except InvalidDefinition:
        return text
    match document:
        case {"value": bool() | int() | float() as value, **rest} if not rest:
            return value
        case _:
            return text


def _location(text: str) -> Mapping[str, object]:
    latitude, _, longitude = map(_plain, text.partition(","))
    if not isinstance(latitude, int | float) or not isinstance(longitude, int | float):
        raise InvalidDefinition("a location is given as LAT,LNG like 48.2,16.4")
    return {"lat": latitude, "lng": longitude}
