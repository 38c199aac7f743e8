"""Recent attempts: asked once for all that follow a profile, and kept apart by it."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from keyrelay.console.recent import MOST_KNOWN, RecentAttempts

Query = Sequence[tuple[str, str]]
Attempt = Mapping[str, object]


def attempt(id_: str, second: int = 0) -> Attempt:
    return {"id": id_, "at": f"2026-01-31T12:00:{second:02}.000Z"}


def detailed(id_: str) -> Attempt:
    return {**attempt(id_), "action_name": f"of {id_}", "secret_key": None}


async def test_many_that_ask_at_once_have_it_asked_once() -> None:
    recent, asked = RecentAttempts(), list[Query]()

    async def ask(query: Query) -> Sequence[Attempt]:
        asked.append(query)
        return [detailed("a")]

    told = await asyncio.gather(
        *(recent.in_detail("north", [attempt("a")], ask) for _ in range(5))
    )

    assert told == [[detailed("a")]] * 5
    assert len(asked) == 1


async def test_what_is_asked_covers_the_time_of_all_that_are_not_known() -> None:
    recent, asked = RecentAttempts(), list[Query]()

    async def ask(query: Query) -> Sequence[Attempt]:
        asked.append(query)
        return []

    await recent.in_detail("north", [attempt("a", 5), attempt("b", 2)], ask)

    assert ("since", "2026-01-31T12:00:02.000Z") in asked[0]
    assert ("until", "2026-01-31T12:00:05.001Z") in asked[0]


@pytest.mark.parametrize("profile", ["north", "south"])
async def test_an_unknown_attempt_is_told_without_details(profile: str) -> None:
    recent = RecentAttempts()

    async def ask(_: Query) -> Sequence[Attempt]:
        return [detailed("a")] if profile == "north" else []

    await recent.in_detail("north", [attempt("a")], ask)
    [told] = await recent.in_detail(profile, [attempt("a")], ask)

    assert told["action_name"] == ("of a" if profile == "north" else None)


async def test_the_oldest_are_forgotten() -> None:
    recent, asked = RecentAttempts(), list[Query]()

    async def ask(query: Query) -> Sequence[Attempt]:
        asked.append(query)
        return [detailed(f"{len(asked)}-{n}") for n in range(MOST_KNOWN)]

    await recent.in_detail("north", [attempt("1-0")], ask)
    await recent.in_detail("north", [attempt("2-0")], ask)
    await recent.in_detail("north", [attempt("1-0")], ask)

    assert len(asked) == 3
