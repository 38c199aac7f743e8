"""Action documents: TagoIO's JSON, read strictly into an action."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta

from keyrelay.model.action import (
    TARGET,
    Action,
    ActionType,
    Instruction,
    Occasion,
    Switches,
)
from keyrelay.model.credentials import TEXT
from keyrelay.model.documents import (
    InvalidDefinition,
    refuse_unknown,
    require_bool,
    require_label,
    require_list,
    require_object,
    require_text,
)
from keyrelay.model.fields import all_names
from keyrelay.model.ids import is_id
from keyrelay.model.schedule import parse_times
from keyrelay.model.settlement import STANDARD, Schedule
from keyrelay.model.tags import Tagged, parse_tags
from keyrelay.model.templates import Render, Template, plain

LONGEST_NAME = 100
LONGEST_BODY = 256 * 1024

# fmt: off
_TRIGGER_TYPES = (
    "condition", "resource", "interval", "schedule", "mqtt_topic",
    "usage_alert", "condition_geofence",
)
_FIELDS = frozenset({
    "name", "active", "tags", "description", "lock", "type", "trigger",
    "action", "trigger_when_unlock", "retry",
})
# fmt: on


@dataclass(frozen=True, slots=True)
class ActionRules:
    """The types of actions that documents may have, by the value of `type`.

    `check_times` raises InvalidDefinition for a document whose times to be due at by
    itself cannot be read.
    """

    types: Mapping[str, ActionType]
    check_times: Callable[[Mapping[str, object]], None]

    @property
    def secret_types(self) -> frozenset[str]:
        """The names of the types that a secret can have."""
        needed = (type_.secret for type_ in self.types.values())
        return frozenset({TEXT.name, *(each.name for each in needed if each)})

    def parse(self, document: Mapping[str, object], id_: str, profile: str) -> Action:
        """Read TagoIO's action, or raise InvalidDefinition.

        `description`, `trigger` and `trigger_when_unlock` are checked here and kept by
        the store as they were sent; they are not needed to perform an action.
        """
        refuse_unknown(document, _FIELDS, "an action")
        _check_members_only_stored(document)
        tags = parse_tags(document.get("tags", []))
        return Action(
            tagged=Tagged(kind=TARGET, profile=profile, id=id_, tags=tags),
            name=require_label(document.get("name"), "name", longest=LONGEST_NAME),
            switches=Switches(
                active=require_bool(document.get("active", True), "active"),
                locked=require_bool(document.get("lock", False), "lock"),
            ),
            occasion=_occasion(document),
            instruction=self._instruction(
                require_object(document.get("action"), "action")
            ),
            retry=_parse_retry(document.get("retry")),
        )

    def parse_written(
        self, document: Mapping[str, object], id_: str, profile: str
    ) -> Action:
        """Read as `parse` does, and refuse times that cannot be read.

        An action that was stored with such times stays what it is: programs may publish
        its triggers.
        """
        action = self.parse(document, id_, profile)
        self.check_times(document)
        return action

    def _instruction(self, document: Mapping[str, object]) -> Instruction:
        name = document.get("type")
        type_ = self.types.get(name) if isinstance(name, str) else None
        if type_ is None:
            *names, last = self.types
            kinds = f"{', '.join(names)} and {last}"
            raise InvalidDefinition(f"action.type must be a supported kind: {kinds}")
        known = all_names(type_.fields) | {"type"}
        article = "an" if type_.name[0] in "aeiou" else "a"
        refuse_unknown(document, known, f"{article} {type_.name} action")
        return type_.parse(document)


def require_secret(document: Mapping[str, object], field: str) -> str:
    """Return the secret's id in that field, or raise InvalidDefinition."""
    id_ = document.get(field)
    if not isinstance(id_, str) or not is_id(id_):
        raise InvalidDefinition(f"{field} must be a secret's 24-character id")
    return id_


def require_template(
    value: object, what: str, *, shortest: int = 1, render: Render = plain
) -> Template:
    """Read a template of up to 256 Ki characters, or raise InvalidDefinition."""
    return Template.parse(
        require_text(value, what, longest=LONGEST_BODY, shortest=shortest), render
    )


def optional_template(
    document: Mapping[str, object], field: str, longest: int
) -> Template | None:
    """Read the template in a field that may be absent; `longest` is in characters.

    Raises InvalidDefinition.
    """
    value = document.get(field)
    if value is None:
        return None
    return Template.parse(require_text(value, field, longest=longest))


def require_seconds(value: object, what: str, allowed: Collection[int]) -> timedelta:
    """Read a whole number of seconds, or raise InvalidDefinition.

    `what` names the value in the message.
    """
    if type(value) is not int or value not in allowed:
        raise InvalidDefinition(
            f"{what} must be a whole number from {min(allowed)} to {max(allowed)}"
        )
    return timedelta(seconds=value)


def _check_members_only_stored(document: Mapping[str, object]) -> None:
    description = document.get("description")
    if description is not None:  # TagoIO's clients may send null
        require_text(description, "description", longest=2000, shortest=0)
    require_list(document.get("trigger", []), "trigger", longest=100)
    require_bool(document.get("trigger_when_unlock", False), "trigger_when_unlock")
    if document.get("type", "condition") not in _TRIGGER_TYPES:
        raise InvalidDefinition(f"type must be one of {', '.join(_TRIGGER_TYPES)}")


def _occasion(document: Mapping[str, object]) -> Occasion:
    type_ = str(document.get("type", "condition"))
    try:
        times = parse_times(document)
    except InvalidDefinition:  # it was stored so; programs may publish its triggers
        times = ()
    return Occasion(type=type_, times=times)


def _parse_retry(value: object) -> Schedule | None:
    """Read Keyrelay's own `retry {attempts?, first_seconds?, longest_seconds?}`."""
    if value is None:
        return None
    document = require_object(value, "retry")
    refuse_unknown(document, {"attempts", "first_seconds", "longest_seconds"}, "retry")
    seconds = range(1, 86_401)
    attempts = document.get("attempts", STANDARD.attempts)
    if type(attempts) is not int or not 1 <= attempts <= 100:
        raise InvalidDefinition("retry.attempts must be a whole number from 1 to 100")
    first = require_seconds(
        document.get("first_seconds", 5), "retry.first_seconds", seconds
    )
    longest = require_seconds(
        document.get("longest_seconds", 900), "retry.longest_seconds", seconds
    )
    if first > longest:
        raise InvalidDefinition("retry.first_seconds must not exceed longest_seconds")
    return Schedule(attempts=attempts, first=first, longest=longest)
