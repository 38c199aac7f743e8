"""World: time, randomness and ids, handed in so that tests never sleep."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from keyrelay.model.ids import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """`now` is aware and in UTC; `chance` is random in [0, 1).

    `new_id` returns an id for something that begins at that moment.
    """

    now: Callable[[], datetime]
    chance: Callable[[], float]
    new_id: Callable[[datetime], str]
    sleep: Callable[[timedelta], Awaitable[None]]


def real_world() -> World:
    return World(now=_now, chance=random.random, new_id=new_id, sleep=_sleep)


def _now() -> datetime:
    return datetime.now(UTC)


async def _sleep(time: timedelta) -> None:
    await asyncio.sleep(time.total_seconds())
