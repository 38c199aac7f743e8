"""Trigger options: a trigger as it is written on the command line."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import typer

from keyrelay.cli.refusals import WrongUsage
from keyrelay.cli.times import parse_deadline
from keyrelay.model.documents import InvalidDefinition, parse_document
from keyrelay.model.json_flaws import json_flaw

Action = Annotated[
    str | None, typer.Option("--action", help="What to do: an action, by id or name.")
]
Variable = Annotated[str | None, typer.Option(help="What was measured.")]
Value = Annotated[str | None, typer.Option(help="A number, true, false or text.")]
Unit = Annotated[str | None, typer.Option(help="The value's unit.")]
Device = Annotated[str | None, typer.Option(help="The id of what measured it.")]
DeviceName = Annotated[str | None, typer.Option(help="And its name.")]
Time = Annotated[str | None, typer.Option(help="When, like 2030-01-31T12:00:00Z.")]
Location = Annotated[str | None, typer.Option(help="Where.", metavar="LAT,LNG")]
Data = Annotated[
    str | None, typer.Option(help="All data points instead, as JSON.", metavar="JSON")
]
TriggerKey = Annotated[
    str | None, typer.Option(help="Triggers of one key can be kept in order.")
]
Id = Annotated[
    str | None, typer.Option("--id", help="An id of your own; accepted once.")
]
Deadline = Annotated[
    str | None, typer.Option(help="No attempt after: 2h, or 2030-01-31T12:00:00Z.")
]
LinesFile = Annotated[
    str | None,
    typer.Option("--file", help="A trigger a line; - for stdin.", metavar="F"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceOptions:
    """Where and when something was measured, as given in options."""

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
    """What was measured, as given in options; `data` is JSON for all of it."""

    variable: str | None
    value: str | None
    unit: str | None
    place: PlaceOptions
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
class TriggerOptions:
    """A trigger without its data, as given in options."""

    action: str | None
    id: str | None
    key: str | None
    deadline: str | None

    @property
    def is_empty(self) -> bool:
        return not any((self.action, self.id, self.key, self.deadline))


def trigger_document(
    options: TriggerOptions, action: str, measured: PointOptions, now: datetime
) -> bytes:
    """Return the JSON of a trigger for the action with the id `action`.

    Raises WrongUsage or InvalidDefinition.
    """
    deadline = options.deadline and parse_deadline(options.deadline, now).isoformat()
    fields = {
        "id": options.id,
        "action": action,
        "key": options.key,
        "deadline": deadline,
        "data": measured.points,
    }
    return json.dumps(_without_none(fields)).encode()


def _without_none(fields: Mapping[str, object]) -> Mapping[str, object]:
    return {name: value for name, value in fields.items() if value is not None}


def _data(text: str) -> object:
    try:
        return parse_document(f'{{"data": {text}}}')["data"]
    except (InvalidDefinition, KeyError):
        flaw = json_flaw(text)
        raise InvalidDefinition(
            f"--data is a JSON object or a list of them{flaw and ': '}{flaw}"
        ) from None


def _plain(text: str) -> object:
    """Read a JSON number or boolean as such, and everything else as text."""
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
