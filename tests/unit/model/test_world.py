from datetime import UTC, timedelta

from keyrelay.model.ids import is_id
from keyrelay.model.world import real_world


def test_the_real_world_knows_the_time_in_utc() -> None:
    now = real_world().now()

    assert now.tzinfo is UTC
    assert real_world().now() >= now


def test_chance_lies_between_zero_and_one() -> None:
    chances = {real_world().chance() for _ in range(100)}

    assert len(chances) > 1
    assert all(0 <= chance < 1 for chance in chances)


def test_an_id_is_made_for_what_begins_now() -> None:
    world = real_world()

    assert is_id(world.new_id(world.now()))


async def test_sleeping_for_no_time_returns() -> None:
    await real_world().sleep(timedelta())
