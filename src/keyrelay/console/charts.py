"""Charts: attempts in each minute of an hour, and how long deliveries took."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from keyrelay.console.own_api import ApiQuestion, Document, OwnApi
from keyrelay.console.rendering import instant
from keyrelay.model.audit import RESULTS
from keyrelay.model.instant import wire_instant

MINUTES = 60
MOST_MEASURED = 1000  # attempts, the newest

_MINUTE = timedelta(minutes=1)

Numbers = Sequence[float | None]


async def outcomes(api: OwnApi, now: datetime) -> Mapping[str, Sequence[int]]:
    """Return what is drawn: `minutes` in seconds since 1970, and counts by outcome.

    Raises as the route does.
    """
    minutes = _minutes(now)
    asked = ApiQuestion(query=[("since", wire_instant(minutes[0]))])
    counts = await api.results("/attempts/counts", asked)
    places = {minute: place for place, minute in enumerate(minutes)}
    series = {outcome: [0] * MINUTES for outcome in RESULTS}
    for each in counts:
        place = places.get(instant(each["minute"]) or now)
        if place is not None:
            series[str(each["outcome"])][place] += int(str(each["count"]))
    return {"minutes": _seconds(minutes), **series}


async def durations(api: OwnApi, now: datetime) -> Mapping[str, Numbers]:
    """Return the same of what deliveries took, in seconds: `p50` and `p99`.

    None, there was none in that minute. Raises as the route does.
    """
    minutes = _minutes(now)
    query = [
        ("details", "true"),
        ("outcome", "delivered"),
        ("since", wire_instant(minutes[0])),
        ("amount", str(MOST_MEASURED)),
    ]
    found = (await api.result("/attempts", ApiQuestion(query=query)))["attempts"]
    assert isinstance(found, list)
    taken: dict[datetime, list[float]] = {}
    for attempt in found:
        began, ended = _times(attempt)
        if began is not None and ended is not None:
            minute = ended.replace(second=0, microsecond=0)
            taken.setdefault(minute, []).append((ended - began).total_seconds())
    return {
        "minutes": _seconds(minutes),
        "p50": [quantile(taken.get(minute, ()), 0.5) for minute in minutes],
        "p99": [quantile(taken.get(minute, ()), 0.99) for minute in minutes],
    }


def quantile(values: Sequence[float], part: float) -> float | None:
    """Return the least value that this part of all is not above; None, of none."""
    if not values:
        return None
    rank = -(-len(values) * part // 1)  # rounded up
    return sorted(values)[max(0, int(rank) - 1)]


def _times(attempt: Document) -> tuple[datetime | None, datetime | None]:
    record = attempt["record"]
    if not isinstance(record, Mapping):
        return None, None
    return instant(record.get("started_at")), instant(record.get("at"))


def _minutes(now: datetime) -> Sequence[datetime]:
    newest = now.replace(second=0, microsecond=0)
    return [newest - _MINUTE * ago for ago in reversed(range(MINUTES))]


def _seconds(minutes: Sequence[datetime]) -> Sequence[int]:
    return [int(minute.timestamp()) for minute in minutes]
