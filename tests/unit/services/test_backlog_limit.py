"""Backlog limit: what waits is counted now and then, and room is given in between."""

from datetime import timedelta
from pathlib import Path

from keyrelay.services.backlog_limit import BacklogLimit
from keyrelay.sources.sqlite.queue import open_queue
from tests.contract.queues import a_world, trigger
from tests.fakes import Clock
from tests.samples import NOON, OTHER_PROFILE, PROFILE


async def test_a_profile_has_room_up_to_its_limit_and_again_once_it_is_counted(
    tmp_path: Path,
) -> None:
    clock = Clock(time=NOON)
    async with open_queue(tmp_path / "queue.db", a_world(clock)) as queue:
        limit = BacklogLimit(most=3, queue=queue, now=lambda: clock.time)
        await queue.accept(trigger("t1"))

        assert await limit.take(PROFILE, 1) == 1
        assert await limit.take(PROFILE, 5) == 1
        assert await limit.take(PROFILE, 1) == 0
        assert await limit.take(OTHER_PROFILE, 5) == 3

        clock.time += timedelta(seconds=1)
        assert await limit.take(PROFILE, 5) == 2

        without = BacklogLimit(most=0, queue=queue, now=lambda: clock.time)
        assert await without.take(PROFILE, 10**9) == 10**9
