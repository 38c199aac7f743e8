"""Due times: the timetables of actions and analyses, read from what they define."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from keyrelay.model.analysis import Analysis
from keyrelay.model.schedule import (
    EPOCH,
    CronRule,
    Every,
    Timetable,
    Together,
    parse_times,
)
from keyrelay.services.scheduling.cron import read_cron


def due_times_of_analysis(
    analysis: Analysis, since: datetime = EPOCH
) -> Timetable | None:
    """Return when it is due by itself; None, never.

    Intervals are counted from `since`, here and below.
    """
    if analysis.interval is None:
        return None
    return Every(interval=analysis.interval, since=since)


def due_times_of_action(
    document: Mapping[str, object], since: datetime = EPOCH
) -> Timetable | None:
    """Return when the action of that document is due by itself; None, never.

    Raises InvalidDefinition.
    """
    times = parse_times(document)
    return timetable_of(times, since) if times else None


def timetable_of(
    times: Sequence[timedelta | CronRule], since: datetime = EPOCH
) -> Timetable:
    """Return when something with these times is due. Raises InvalidDefinition."""
    return Together(tuple(_timetable(each, since) for each in times))


def check_times(document: Mapping[str, object]) -> None:
    """Raise InvalidDefinition for an action whose due times cannot be read."""
    due_times_of_action(document)


def _timetable(said: timedelta | CronRule, since: datetime) -> Timetable:
    match said:
        case timedelta():
            return Every(interval=said, since=since)
        case CronRule():
            return read_cron(said)
