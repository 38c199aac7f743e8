"""Freshness: what is accepted after a change is decided on it, in any process."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from keyrelay.dispatchers.smtp.action import Mail
from keyrelay.engine.breaker import Breaker
from keyrelay.engine.circuits import Circuits
from keyrelay.engine.freshness import Freshness
from keyrelay.engine.pipeline import Pipeline
from keyrelay.model.outcome import Delivered, Outcome, Rejected
from keyrelay.model.revision import Revision
from keyrelay.model.settlement import Done
from keyrelay.sources.sqlite.queue import SqliteQueue, open_queue
from keyrelay.stores.definitions.loading import revision_now
from keyrelay.stores.restoring import accept
from tests.contract.queues import a_world, lease, letter, trigger
from tests.contract.stores.house import ADA, House, allow, mail_action
from tests.fakes import FakeVault, Outbox, admitting, performers, stay
from tests.samples import PROFILE


@pytest.fixture
async def queue(house: House, tmp_path: Path) -> AsyncIterator[SqliteQueue]:
    """The queue of both processes, into which `house` publishes."""
    revision = partial(revision_now, house.database)
    opened = open_queue(tmp_path / "q.db", a_world(house.clock), revision=revision)
    async with opened as queue:
        yield queue


async def furnish(house: House, *others: House) -> tuple[str, str]:
    """Return the ids of an action and of the policy that lets it; all have heard."""
    secret = await house.new_secret()
    action = await house.actions.create(PROFILE, mail_action(secret), ADA)
    policy = await house.policies.create(PROFILE, allow(), ADA)
    for each in (house, *others):
        await each.catalog.refresh()
    return action.id, policy.id


async def attempt(queue: SqliteQueue, of: House) -> Outcome:
    """Attempt the next trigger in a worker whose catalog hears of no change."""
    breaker = Breaker(
        slow_limit=2,
        circuits=Circuits(now=of.clock.now, wake=lambda _: None),
        told=lambda _: None,
    )
    pipeline = Pipeline(
        catalog=Freshness(definitions=of.catalog).catalog,
        vault=FakeVault(dict.fromkeys(await secrets_of(of), "hunter2")),
        performers=performers({"email-smtp": Outbox(Mail)}),
        breaker=breaker,
        admit=admitting(breaker),
        now=of.clock.now,
    )
    lent = await lease(queue)
    report = await pipeline.attempt(lent, stay)
    await lent.settle(Done())
    return report.outcome


async def secrets_of(house: House) -> list[str]:
    return [str(id_) for (id_,) in await house.look("SELECT id FROM secrets")]


async def test_after_a_policy_was_deleted_the_very_next_trigger_is_denied_elsewhere(
    house: House, neighbour: House, queue: SqliteQueue
) -> None:
    action, policy = await furnish(house, neighbour)
    await queue.accept(trigger("before", action=action))
    assert isinstance(await attempt(queue, neighbour), Delivered)

    await house.policies.delete(PROFILE, policy, ADA)
    await queue.accept(trigger("after", action=action))

    assert isinstance(await attempt(queue, neighbour), Rejected)


async def test_an_action_made_just_before_is_known_elsewhere(
    house: House, neighbour: House, queue: SqliteQueue
) -> None:
    action, _ = await furnish(house)
    await queue.accept(trigger("first", action=action))

    assert isinstance(await attempt(queue, neighbour), Delivered)


async def test_a_letter_is_decided_on_what_there_was_when_it_was_redriven(
    house: House, neighbour: House, queue: SqliteQueue
) -> None:
    action, policy = await furnish(house, neighbour)
    buried = letter(trigger("t1", action=action))
    await house.policies.delete(PROFILE, policy, ADA)

    await queue.redrive(buried)

    assert isinstance(await attempt(queue, neighbour), Rejected)


async def test_what_an_accepted_database_lacks_is_not_waited_for(
    house: House, neighbour: House, queue: SqliteQueue
) -> None:
    action, _ = await furnish(house, neighbour)
    for number in range(3):
        await house.new_secret(f"lost-{number}")
    await queue.accept(trigger(action=action))
    await house.break_in(
        "UPDATE installation SET revision = revision - 3",
        "DELETE FROM changes WHERE revision > (SELECT revision FROM installation)",
    )

    await accept(house.audit_log, PROFILE, ADA)

    assert isinstance(await attempt(queue, neighbour), Delivered)


async def test_a_process_reads_all_anew_once_an_older_database_was_accepted(
    house: House, neighbour: House
) -> None:
    action, _ = await furnish(house, neighbour)
    before = neighbour.catalog.current()
    await house.break_in("UPDATE installation SET revision = 1", "DELETE FROM changes")
    assert not await neighbour.catalog.refresh()

    await accept(house.audit_log, PROFILE, ADA)

    assert await neighbour.catalog.refresh()
    after = neighbour.catalog.current()
    assert (after.revision.number, before.revision.number) == (1, 3)
    assert after.revision.history != before.revision.history
    assert (PROFILE, action) in after.actions


async def test_what_an_older_keyrelay_has_left_without_a_history_has_a_revision(
    house: House,
) -> None:
    await house.break_in("UPDATE installation SET history = NULL")

    assert await revision_now(house.database) == Revision("", 0)
