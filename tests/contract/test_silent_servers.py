"""Servers that fall silent: their mails wait for them, and all others go on."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from keyrelay.engine.breaker import Breaker
from keyrelay.engine.circuits import Circuits
from keyrelay.engine.conclusion import Conclusion
from keyrelay.engine.pipeline import Pipeline
from keyrelay.engine.worker import Worker
from keyrelay.model.audit import AttemptRecord, AuditRecord
from keyrelay.model.catalog import Catalog
from keyrelay.model.lifetime import Lifetime
from keyrelay.model.outcome import Blame, Deferred, Delivered, Outcome, Uncertain
from keyrelay.model.policy.policy import index
from keyrelay.model.revision import Revision
from keyrelay.model.trigger import Trigger
from keyrelay.model.world import real_world
from keyrelay.sources.sqlite.queue import SqliteQueue, open_queue
from tests.contract.smtp_peer import (
    HOST,
    SILENCE,
    Peer,
    Sender,
    mail,
    secret,
    serving,
)
from tests.fakes import (
    FakeAuditLog,
    FakeDeadLetters,
    FakeVault,
    Pass,
    Story,
    admitting,
    performers,
    settled,
)
from tests.samples import (
    ACTIONS,
    DAY,
    MAIL_DOES,
    PROFILE,
    REVISION,
    a_policy,
    a_secret,
    a_trigger,
    sealed,
)

pytest_plugins = ["tests.contract.smtp_fixtures"]

LANES = 32
SECRETS, MUTE, EACH = 40, 8, 60
KEPT = 0.9  # of the rate that the others have where all servers are well
A_WORLD = replace(real_world(), chance=lambda: 0.5)
SILENT_AT = {"the connection": "", "the envelope": "RCPT", "the message": "."}


# One mail, and how long its reply may take


async def under_way(sender: Sender, peer: Peer) -> asyncio.Task[Outcome]:
    """Return an attempt whose mail the server has, and has not answered."""
    peer.answering.clear()
    dispatcher = sender.to(peer.port)
    sending = asyncio.create_task(dispatcher.dispatch(mail(), secret(peer.port)))
    await peer.until(lambda: len(peer.mails) == 1)
    return sending


@pytest.mark.parametrize("seconds", [150, 590])
async def test_a_mail_that_is_answered_after_minutes_is_delivered_once(
    sender: Sender, passes: Pass, seconds: int
) -> None:
    async with serving(sender.authority.issue_cert(HOST), {}) as peer:
        sending = await under_way(sender, peer)

        passes(seconds)
        await settled()
        peer.answering.set()

        assert isinstance(await sending, Delivered)
        assert len(peer.mails) == 1


async def test_after_ten_minutes_without_an_answer_it_is_uncertain(
    sender: Sender, passes: Pass
) -> None:
    async with serving(sender.authority.issue_cert(HOST), {}) as peer:
        sending = await under_way(sender, peer)

        passes(601)

        outcome = await sending
        assert isinstance(outcome, Uncertain)
        assert outcome.reason == "the server did not answer the message in 600 s"


@pytest.mark.parametrize("verb", ["EHLO", "AUTH", "MAIL", "RCPT", "DATA"])
async def test_half_a_minute_of_silence_before_the_message_is_the_servers_fault(
    sender: Sender, passes: Pass, verb: str
) -> None:
    async with serving(sender.authority.issue_cert(HOST), {verb: SILENCE}) as peer:
        dispatcher = sender.to(peer.port)
        sending = asyncio.create_task(dispatcher.dispatch(mail(), secret(peer.port)))
        await peer.hears(verb, 1)

        passes(29)
        await settled()
        early = sending.done()
        passes(2)

        outcome = await sending
        assert not early
        assert isinstance(outcome, Deferred)
        assert outcome.blame is Blame.PEER


# Eight of forty


def name(number: int) -> str:
    return f"{number:024}"


def is_mute(number: int) -> bool:
    return number % (SECRETS // MUTE) == 0


def many_secrets() -> Catalog:
    """Return secrets, each with an action of the same id that uses it."""
    ids = [name(number) for number in range(SECRETS)]
    does = {id_: {**MAIL_DOES, "smtp_secret": id_} for id_ in ids}
    return Catalog(
        revision=REVISION,
        actions={
            (PROFILE, id_): ACTIONS.parse(
                {"name": "Tell", "action": does[id_]}, id_, PROFILE
            )
            for id_ in ids
        },
        secrets={
            (PROFILE, id_): sealed(replace(a_secret(id_), type="smtp")) for id_ in ids
        },
        policies={PROFILE: index([a_policy()])},
    )


@dataclass
class Deliveries(FakeAuditLog):
    """The records; `all_in` is set once so many mails of the others were delivered."""

    story: Story = field(default_factory=Story)
    wanted: int = (SECRETS - MUTE) * EACH
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    all_in: asyncio.Event = field(default_factory=asyncio.Event)
    count: int = 0

    async def append(self, record: AuditRecord) -> None:
        await super().append(record)
        assert isinstance(record, AttemptRecord)
        is_others = not is_mute(int(record.attempt.action))
        self.count += is_others and isinstance(record.report.outcome, Delivered)
        if self.count == self.wanted // 4:
            self.begun.set()
        if self.count == self.wanted:
            self.all_in.set()


@dataclass
class Relay:
    """A worker with as many lanes as by default, on a queue of its own."""

    sender: Sender
    values: dict[str, str]
    log: Deliveries = field(default_factory=Deliveries)
    breaker: Breaker = field(
        default_factory=lambda: Breaker(
            slow_limit=LANES * 3 // 4,
            circuits=Circuits(now=A_WORLD.now, wake=lambda _: None),
            told=lambda _: None,
        )
    )

    def worker(self, queue: SqliteQueue) -> Worker:
        catalog = many_secrets()
        ports = {json.loads(value)["smtp_port"] for value in self.values.values()}
        dispatcher = replace(self.sender.to(min(ports)), ports=ports)

        async def read(_: Revision | None) -> Catalog:
            return catalog

        pipeline = Pipeline(
            catalog=read,
            vault=FakeVault(self.values),
            performers=performers({"email-smtp": dispatcher}),
            breaker=self.breaker,
            admit=admitting(self.breaker),
            now=A_WORLD.now,
        )
        return Worker(
            queue=queue,
            attempt=pipeline.attempt,
            conclusion=Conclusion(
                audit=self.log, dead_letters=FakeDeadLetters(Story()), world=A_WORLD
            ),
            lanes=LANES,
            world=A_WORLD,
        )


def values(well: Peer, mute: Peer) -> dict[str, str]:
    return {
        name(number): secret((mute if is_mute(number) else well).port).value.reveal()
        for number in range(SECRETS)
    }


def triggers() -> Sequence[Trigger]:
    lifetime = Lifetime(raised_at=A_WORLD.now(), deadline=A_WORLD.now() + DAY)
    return [
        replace(
            a_trigger(action=name(number), id_=f"t{turn}-{number}"), lifetime=lifetime
        )
        for turn in range(EACH)
        for number in range(SECRETS)
    ]


async def seconds_for(relay: Relay, database: Path) -> float:
    """Return how long the mails of the others take, among all.

    Without the first quarter: each silent server takes a few lanes before they leave
    it, which is over in a second, in which a quick machine sends hundreds of mails.
    """
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    async with open_queue(database, A_WORLD) as queue, asyncio.TaskGroup() as group:
        await asyncio.gather(*map(queue.accept, triggers()))
        group.create_task(relay.worker(queue).run(stop, timedelta()))
        await relay.log.begun.wait()
        begun = loop.time()
        await relay.log.all_in.wait()
        stop.set()
        return loop.time() - begun


@pytest.mark.timeout(240)
@pytest.mark.parametrize("verb", SILENT_AT.values(), ids=SILENT_AT)
async def test_eight_silent_secrets_among_forty_leave_the_others_their_rate(
    sender: Sender, tmp_path: Path, verb: str
) -> None:
    certificate, silence = sender.authority.issue_cert(HOST), {verb: SILENCE}
    kept: list[float] = []
    # The machine may be busy with something else: the best of five.
    while len(kept) < 5 and max(kept, default=0) < KEPT:
        async with (
            serving(certificate, {}) as well,
            serving(certificate, silence) as mute,
        ):
            all_well = Relay(sender, values(well, well))
            some_mute = Relay(sender, values(well, mute))
            before = await seconds_for(all_well, tmp_path / f"well-{len(kept)}.db")
            beside = await seconds_for(some_mute, tmp_path / f"mute-{len(kept)}.db")
        kept.append(before / beside)

    assert max(kept) >= KEPT
