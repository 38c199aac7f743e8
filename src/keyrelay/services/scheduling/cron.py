"""Cron: due times by the clocks of a time zone.

Expressions have the five fields of Debian's cron: minute, hour, day of the month,
month, day of the week. Where clocks are changed, an expression that names hours is due
once for each: what stands in an hour that is left out is due when that hour is over,
and what stands in one that comes twice is due the first time. An expression for every
hour is due in each hour that passes.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.schedule import EPOCH, CronRule

_MINUTE = timedelta(minutes=1)
_FIRST_LOOK = timedelta(hours=1)
_LONGEST_LOOK = timedelta(days=366 * 50)  # as far as the library looks ahead
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+/-]*")
# Files beside those of the database: they differ from machine to machine, or count leap
# seconds.
_NO_ZONES = ("localtime", "posix", "right/", "Factory")


@dataclass(frozen=True, slots=True, kw_only=True)
class CronTimes:
    """A timetable; `expression` is one that `read_cron` has checked."""

    expression: str
    zone: ZoneInfo

    def next_due(self, after: datetime) -> datetime | None:
        for local in CronSim(self.expression, after.astimezone(self.zone)):
            due = local.astimezone(UTC)
            # In an hour that comes a second time, the library begins with the first.
            if due > after:
                return due
        return None

    def last_due(self, before: datetime) -> datetime | None:
        # Looked for by `next_due` alone: the library's own way back does not agree
        # with its way forward where clocks are changed.
        look = _FIRST_LOOK
        while (due := self.next_due(before - look)) is None or due >= before:
            if look > _LONGEST_LOOK:
                return None
            look *= 2
        return self._last_between(due, before)

    def _last_between(self, due: datetime, before: datetime) -> datetime:
        """Return the last due time from `due`, which is one, and earlier than that."""
        end = before  # nothing is due between `end` and `before`
        while end - due >= _MINUTE:
            middle = due + (end - due) / 2
            later = self.next_due(middle)
            if later is not None and later < before:
                due = later
            else:
                end = middle
        return due


def read_cron(rule: CronRule) -> CronTimes:
    """Read an expression and a time zone. Raises InvalidDefinition."""
    times = CronTimes(
        expression=_checked(rule.expression), zone=_read_zone(rule.time_zone)
    )
    if times.next_due(EPOCH) is None:
        raise InvalidDefinition("cron names a date that never comes")
    return times


def _checked(expression: str) -> str:
    fields = expression.split()
    if len(fields) != 5:  # the library reads a sixth, seconds
        raise InvalidDefinition(
            "cron has five fields: minute, hour, day of the month, month, day of the"
            " week, like 0 9 * * MON"
        )
    try:
        read = CronSim(expression, EPOCH)
    except CronSimError as fault:
        raise InvalidDefinition(f"cron cannot be read: {str(fault).lower()}") from None
    minute, hour, *days = fields
    if len(read.hours) == 24:
        return " ".join([minute, "*", *days])
    # Written without a star, as the library takes fields with one for every hour's.
    minute, hour = minute.replace("*", "0-59"), hour.replace("*", "0-23")
    return " ".join([minute, hour, *days])


def _read_zone(name: str) -> ZoneInfo:
    zone = None
    if _ZONE.fullmatch(name) and not name.startswith(_NO_ZONES):
        try:
            zone = ZoneInfo(name)
        except (LookupError, ValueError, OSError):  # no such file, or a folder
            zone = None
    if zone is None:
        raise InvalidDefinition(
            "timezone must be a name of the IANA database, like Europe/Berlin or UTC"
        )
    return zone
