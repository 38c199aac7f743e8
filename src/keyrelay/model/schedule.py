"""Schedules: when actions and analyses are due by themselves, as their documents say.

    an analysis       "interval": "5 minutes"
    an action         "type": "interval", "trigger": [{"interval": "5 minutes"}, …]
    another action    "type": "schedule",
                      "trigger": [{"cron": "0 9 * * MON", "timezone": "UTC"}, …]

Any one entry of `trigger` makes an action due.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from keyrelay.model.documents import (
    InvalidDefinition,
    require_list,
    require_object,
    require_text,
)
from keyrelay.model.interval import parse_interval

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST_ENTRIES = 100
LONGEST_CRON = 200
LONGEST_TIME_ZONE = 100


class Timetable(Protocol):
    """The instants at which something is due, in UTC: the same ones for every caller.

    For each due time, `next_due` of what is just before it and `last_due` of what is
    just after it return it.
    """

    def next_due(self, after: datetime) -> datetime | None:
        """Return the first due time later than that; None, there is none."""

    def last_due(self, before: datetime) -> datetime | None:
        """Return the last due time earlier than that; None, there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Every:
    """Due once in each interval, counted from `since`, before which it is not."""

    interval: timedelta
    since: datetime = EPOCH

    def next_due(self, after: datetime) -> datetime:
        counted = (max(after, self.since) - self.since) // self.interval
        return self.since + (counted + 1) * self.interval

    def last_due(self, before: datetime) -> datetime | None:
        # A moment earlier: what is due at `before` itself is not earlier than that.
        counted = (before - timedelta.resolution - self.since) // self.interval
        return self.since + counted * self.interval if counted > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class CronRule:
    """A cron expression and the name of a time zone, neither of which is checked."""

    expression: str
    time_zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Together:
    """Due whenever one of several timetables says so."""

    timetables: tuple[Timetable, ...]

    def next_due(self, after: datetime) -> datetime | None:
        found = [each.next_due(after) for each in self.timetables]
        return min((due for due in found if due is not None), default=None)

    def last_due(self, before: datetime) -> datetime | None:
        found = [each.last_due(before) for each in self.timetables]
        return max((due for due in found if due is not None), default=None)


def parse_times(document: Mapping[str, object]) -> tuple[timedelta | CronRule, ...]:
    """Return what an action's document says of when it is due by itself.

    That is nothing for actions of other types than `interval` and `schedule`. Fields
    of an entry that are not needed are passed over. Raises InvalidDefinition.
    """
    type_ = document.get("type")
    if type_ not in ("interval", "schedule"):
        return ()
    trigger = document.get("trigger", [])
    entries = [
        require_object(each, "an entry of trigger")
        for each in require_list(trigger, "trigger", longest=MOST_ENTRIES)
    ]
    if type_ == "interval":
        return tuple(_interval(entry) for entry in entries)
    return tuple(_cron_rule(entry) for entry in entries)


def _interval(entry: Mapping[str, object]) -> timedelta:
    interval = parse_interval(entry.get("interval"))
    if interval is None:
        raise InvalidDefinition(
            "an entry of trigger says its interval, like 5 minutes or 1 day, if the"
            " action's type is interval"
        )
    return interval


def _cron_rule(entry: Mapping[str, object]) -> CronRule:
    cron = entry.get("cron")
    time_zone = entry.get("timezone")
    return CronRule(
        expression=require_text(cron, "cron", longest=LONGEST_CRON),
        time_zone=(
            "UTC"
            if time_zone is None
            else require_text(time_zone, "timezone", longest=LONGEST_TIME_ZONE)
        ),
    )
