"""Observability: what Prometheus reads of a worker's state."""

import asyncio
from collections.abc import Mapping

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from keyrelay import __version__
from keyrelay.observability.observability import Observability
from tests.unit.observability.observed import Queue, observability


def read(seen: Observability, name: str) -> Mapping[str, float]:
    """Return a metric's values, by the one label it has or by nothing."""
    text = generate_latest(seen.registry).decode()
    return {
        "".join(sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == f"keyrelay_{name}"
    }


async def test_each_topic_has_its_lag_its_age_and_its_time_to_drain() -> None:
    seen = observability(Queue())

    await seen.readiness.refresh()

    assert read(seen, "lag") == {"triggers": 120, "retry-1m": 0}
    assert read(seen, "oldest_age_seconds") == {"triggers": 2.5, "retry-1m": 0}
    # Nothing was settled yet: no less than what waits has waited.
    assert read(seen, "time_to_drain_seconds") == {"triggers": 2.5, "retry-1m": 0}


async def test_a_queue_that_does_not_answer_has_no_lag_rather_than_an_old_one() -> None:
    seen = observability(Queue(away=True))

    await seen.readiness.refresh()

    assert read(seen, "lag") == {}
    assert read(seen, "time_to_drain_seconds") == {}
    assert read(seen, "part_ready")["queue"] == 0


async def test_lanes_are_shown_and_how_many_of_them_work() -> None:
    seen = observability(Queue())

    await asyncio.create_task(seen.lanes.lease(asyncio.Event()))

    assert read(seen, "lanes") == {"": 8}
    assert read(seen, "lanes_busy") == {"": 1}


async def test_attempts_that_wait_without_a_lane_are_shown() -> None:
    seen = observability(Queue(), lingering=3)

    assert read(seen, "attempts_lingering") == {"": 3}
    assert read(seen, "lanes_busy") == {"": 0}


async def test_parts_that_do_not_answer_and_secrets_that_are_paused_are_shown() -> None:
    seen = observability(Queue(), paused=3)

    await seen.readiness.refresh()

    assert read(seen, "part_ready") == {"vault": 0, "queue": 1}
    assert read(seen, "secrets_paused") == {"refused": 3, "unreachable": 0}


def test_what_runs_is_told_and_what_it_takes_of_the_machine() -> None:
    seen = observability(Queue())

    assert any(key.endswith(__version__) for key in read(seen, "build_info"))
    assert seen.registry.get_sample_value("process_resident_memory_bytes")


def test_two_watches_do_not_know_each_other() -> None:
    one, other = observability(Queue()), observability(Queue())

    assert one.registry is not other.registry


async def test_what_could_not_be_read_is_counted_by_topic_from_the_start() -> None:
    queue = Queue()
    seen = observability(queue)
    await seen.readiness.refresh()
    before = read(seen, "unreadable_records_total")

    queue.losses.unreadable["triggers"] += 2
    queue.losses.lost["triggers"] += 5

    assert before == {"triggers": 0, "retry-1m": 0}
    assert read(seen, "unreadable_records_total") == {"triggers": 2, "retry-1m": 0}
    assert read(seen, "lost_records_total") == {"triggers": 5, "retry-1m": 0}
