"""Runs: an analysis is to be run once; what asked for it, and what became of it."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from keyrelay.model.analysis import RunOn, Variable
from keyrelay.model.data_point import MOST_POINTS
from keyrelay.model.documents import InvalidDefinition, require_list, require_object
from keyrelay.model.run_confirmation import RunConfirmation

# Bytes. A hosted script is given it in one variable of its environment, in which Linux
# takes 128 KiB.
LARGEST_SCOPE = 120 * 1024


class RunOrigin(StrEnum):
    """What asks for runs."""

    REQUEST = "request"  # a program or a person
    ACTION = "action"  # a trigger of an action of type `script`
    SCHEDULE = "schedule"  # the analysis' own interval


class RunState(StrEnum):
    """Where a run stands; what is done or failed is over."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"

    @property
    def is_over(self) -> bool:
        return self in (RunState.DONE, RunState.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCause:
    """What asked for a run, when, and until when it may begin.

    `action` and `trigger` are ids, of a run that a trigger asked for; `variables` are
    what its environment has of them.
    """

    origin: RunOrigin
    asked_at: datetime
    deadline: datetime
    action: str | None = None
    trigger: str | None = None
    variables: tuple[Variable, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOrder:
    """One run that is to be. `scope` is the JSON of an array of data points."""

    id: str
    profile: str
    analysis: str
    run_on: RunOn
    cause: RunCause
    scope: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """How the last attempt at a run ended, in a sentence and in figures.

    `exit_code` is that of a script that ended by itself, and `peak_memory` is in bytes.
    """

    sentence: str
    exit_code: int | None = None
    duration: timedelta | None = None
    peak_memory: int | None = None
    last_lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTimes:
    """When a run is `due` that waits, when its last attempt began, when it ended."""

    due: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRun:
    """A run as it stands; `attempts` counts those that have ended or were cut short.

    `confirmed` is what a script that ran elsewhere says of its end.
    """

    order: RunOrder
    state: RunState
    attempts: int
    times: RunTimes
    result: RunResult | None = None
    confirmed: RunConfirmation | None = None


def run_id(trigger: str, analysis: str, asked_at: datetime) -> str:
    """Return the id of the run that a trigger asks for: the same each time.

    `trigger` is unique with its profile. Like other ids it sorts by its second.
    """
    digest = hashlib.sha256(f"{trigger}/{analysis}".encode()).hexdigest()
    return f"{int(asked_at.timestamp()) & 0xFFFFFFFF:08x}{digest[:16]}"


def parse_scope(value: object) -> str:
    """Read what a run is asked for with: None, a data point or an array of them.

    What is in them is the script's affair. Raises InvalidDefinition.
    """
    points = [] if value is None else [value] if isinstance(value, dict) else value
    entries = require_list(points, "scope", longest=MOST_POINTS)
    for each in entries:
        require_object(each, "each entry of scope")
    text = _as_json(entries)
    # Raised here, outside `except`: the encoder's error may hold the input.
    if text is None:
        raise InvalidDefinition("scope has NaN, infinity or half a character in it")
    if len(text.encode()) > LARGEST_SCOPE:
        raise InvalidDefinition(f"scope has more than {LARGEST_SCOPE} bytes")
    return text


def _as_json(value: object) -> str | None:
    """Return it as strict JSON of whole characters; None, it cannot be written so."""
    try:
        text = json.dumps(
            value, ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )
        text.encode()
    except ValueError:
        return None
    return text
