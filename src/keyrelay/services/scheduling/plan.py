"""Plan: what of a catalog is due by itself, and when."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from keyrelay.model.analysis import ScriptedAnalysis, require_runnable
from keyrelay.model.catalog import Catalog
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.schedule import CronRule, Timetable
from keyrelay.services.scheduling.due_times import timetable_of
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.schedules import DueMark, ScheduleKey

# What is not fired now: once it is, its times count from then on.
OFF = "off"

Times = tuple[timedelta | CronRule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Something that is due by itself; `next_due` is the first time after the mark."""

    mark: DueMark
    timetable: Timetable
    next_due: datetime | None

    def due(self, now: datetime) -> datetime | None:
        """Return the due time that is to be fired: the last of those that have come."""
        if self.next_due is None or self.next_due > now:
            return None
        return self.timetable.last_due(now + timedelta.resolution)


def entry_of(mark: DueMark, times: Times) -> Entry | None:
    """Return the entry of these times; None, they cannot be read."""
    try:
        timetable = timetable_of(times, mark.since)
    except InvalidDefinition:
        return None
    return Entry(mark=mark, timetable=timetable, next_due=timetable.next_due(mark.last))


def times_in(catalog: Catalog) -> Mapping[ScheduleKey, Times]:
    """Return the times of all that is due by itself; none, of what is off.

    What is not believed is left out, and is due once it is believed again.
    """
    closed = catalog.omitted.profiles
    return {key: times for key, times in _times(catalog) if key[0] not in closed}


def times_text(times: Times) -> str:
    """Return a text that no other times have."""
    return ", ".join(map(_text, times)) or OFF


def _times(catalog: Catalog) -> Iterator[tuple[ScheduleKey, Times]]:
    for (profile, id_), action in catalog.actions.items():
        if action.occasion.times:
            times = action.occasion.times if action.active else ()
            yield (profile, Noun.ACTION, id_), times
    for (profile, id_), scripted in catalog.analyses.items():
        if (interval := scripted.analysis.interval) is not None:
            times = (interval,) if _is_runnable(scripted) else ()
            yield (profile, Noun.ANALYSIS, id_), times


def _is_runnable(scripted: ScriptedAnalysis) -> bool:
    try:
        require_runnable(scripted)
    except InvalidDefinition:
        return False
    return True


def _text(said: timedelta | CronRule) -> str:
    match said:
        case timedelta():
            return f"every {said // timedelta(seconds=1)} s"
        case CronRule(expression=expression, time_zone=zone):
            return f"{expression} {zone}"
