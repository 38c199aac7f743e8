import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.dispatchers.sqs.batches import LARGEST, BatchEntry
from keyrelay.dispatchers.sqs.credentials import SqsCredentials
from keyrelay.dispatchers.sqs.dispatcher import SqsDispatcher
from keyrelay.dispatchers.sqs.http_session import ConnectionFailed, NoReply
from keyrelay.dispatchers.sqs.instruction import QueueMessage, QueueMessages
from keyrelay.dispatchers.sqs.pool import SenderPool
from keyrelay.dispatchers.sqs.queue_url import QueueUrl
from keyrelay.dispatchers.sqs.reply import BatchReply, Enqueued, Refusal
from keyrelay.model.outcome import (
    Blame,
    Deferred,
    Delivered,
    Fault,
    Outcome,
    Rejected,
    Uncertain,
)
from keyrelay.model.secret import OpenedSecret, Secret, SecretValue
from tests.fakes import begun

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
URL = "https://sqs.eu-central-1.amazonaws.com/123456789012/orders"
FIFO = f"{URL}.fifo"
NOT_OURS = Refusal(code="InternalError", message="", by_sender=False)
INVALID = Refusal(code="InvalidMessageContents", message="", by_sender=True)
NO_QUEUE = Refusal(code="QueueDoesNotExist", message="", by_sender=True, status=400)
SPOILT = Refusal(code="BatchRequestTooLong", message="", by_sender=True, status=400)

Answer = Refusal | type[ConnectionFailed] | type[NoReply]


@dataclass(slots=True)
class Peer:
    """A queue in memory. `answers` are by body; what has none is taken.

    While `gate` is not set, calls stay unanswered; `asked` counts them.
    """

    answers: dict[str, Answer] = field(default_factory=dict)
    limit: int | None = None
    calls: list[list[str]] = field(default_factory=list)
    under_way: list[list[str]] = field(default_factory=list)
    groups_at_once: int = 0
    kept: list[str] = field(default_factory=list)
    gate: asyncio.Event | None = None
    asked: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    limits_read: int = 0
    closed: bool = False

    async def send(
        self, entries: Sequence[BatchEntry], credentials: SqsCredentials
    ) -> BatchReply | Refusal:
        assert credentials.access_key_id == "AKIA1"
        bodies = [str(entry.fields["MessageBody"]) for entry in entries]
        self.calls.append(bodies)
        self.asked.release()
        await self._under_way([str(e.fields.get("MessageGroupId")) for e in entries])
        whole = [self.answers[body] for body in bodies if body in self.answers]
        for answer in whole:
            if isinstance(answer, type):
                raise answer("so it is")
            if answer.status is not None:
                return answer
        reply: dict[int | None, Enqueued | Refusal] = {}
        for number, body in enumerate(bodies):
            answered = self.answers.get(body)
            if isinstance(answered, Refusal):
                reply[number] = answered
            else:
                self.kept.append(body)
                reply[number] = Enqueued(f"id of {body}")
        return reply

    async def largest_message(self, credentials: SqsCredentials) -> int | None:
        assert credentials.access_key_id == "AKIA1"
        self.limits_read += 1
        if self.limit == 0:
            raise ConnectionFailed
        return self.limit

    async def close(self) -> None:
        self.closed = True

    async def _under_way(self, groups: list[str]) -> None:
        self.under_way.append(groups)
        together = [group for call in self.under_way for group in call]
        most = max(map(together.count, together))
        self.groups_at_once = max(self.groups_at_once, most)
        await (self.gate.wait() if self.gate else asyncio.sleep(0))
        self.under_way.remove(groups)


@dataclass(slots=True)
class Clock:
    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now


@dataclass(slots=True)
class World:
    peer: Peer
    clock: Clock = field(default_factory=Clock)
    made: list[Peer] = field(default_factory=list)

    async def make(self, queue: QueueUrl) -> Peer:
        self.made.append(replace(self.peer, closed=False) if self.made else self.peer)
        return self.made[-1]


def dispatcher_to(world: World, most: int = 64) -> SqsDispatcher:
    pool = SenderPool(make=world.make, now=world.clock, most=most)
    return SqsDispatcher(endpoints=(), pool=pool)


def secret(
    url: str = URL,
    *,
    version: int = 1,
    type_: str = "aws-sqs",
    region: str = "eu-central-1",
) -> OpenedSecret:
    value = {
        "aws_region": region,
        "queue_url": url,
        "access_key_id": "AKIA1",
        "secret_access_key": "hunter2",
    }
    return OpenedSecret(
        secret=Secret(
            id="5f" * 12,
            profile="6a" * 12,
            key="orders",
            type=type_,
            version=version,
            tags=(),
        ),
        value=SecretValue(json.dumps(value)),
    )


def message(part: str, body: str, group: str | None = None) -> QueueMessage:
    return QueueMessage(
        part=part,
        body=body,
        group_id=group,
        deduplication_id=f"t.{part}",
        delay=None,
        attributes=(),
    )


def messages(*bodies: str, group: str | None = None) -> QueueMessages:
    return QueueMessages(
        tuple(message(str(n), body, group) for n, body in enumerate(bodies))
    )


async def test_a_message_alone_goes_out_at_once() -> None:
    peer = Peer()

    outcome = await dispatcher_to(World(peer)).dispatch(messages("a"), secret())

    assert isinstance(outcome, Delivered)
    assert outcome.receipt == "id of a"
    assert peer.calls == [["a"]]


async def test_messages_of_concurrent_triggers_share_calls_of_up_to_ten() -> None:
    peer = Peer()
    dispatcher = dispatcher_to(World(peer))

    outcomes = await asyncio.gather(
        *(dispatcher.dispatch(messages(f"t{n}"), secret()) for n in range(25))
    )

    assert all(isinstance(outcome, Delivered) for outcome in outcomes)
    assert sorted(len(call) for call in peer.calls) == [5, 10, 10]


async def test_a_lost_call_does_not_hold_back_the_rest_of_the_queue() -> None:
    peer = Peer(gate=asyncio.Event())
    dispatcher = dispatcher_to(World(peer))
    stuck = asyncio.create_task(dispatcher.dispatch(messages("stuck"), secret()))
    await peer.asked.acquire()

    gate, peer.gate = peer.gate, None
    outcome = await dispatcher.dispatch(messages("next"), secret())

    assert isinstance(outcome, Delivered)
    assert not stuck.done()
    assert gate is not None
    gate.set()
    await stuck


async def test_each_trigger_gets_the_answers_to_its_own_messages() -> None:
    peer = Peer(answers={"bad": INVALID, "late": NOT_OURS})
    dispatcher = dispatcher_to(World(peer))

    good, bad, late = await asyncio.gather(
        *(
            dispatcher.dispatch(messages(body), secret())
            for body in ("a", "bad", "late")
        )
    )

    assert len(peer.calls) == 1
    assert isinstance(good, Delivered)
    assert isinstance(bad, Rejected)
    assert bad.fault is Fault.TRIGGER
    assert isinstance(late, Deferred)
    assert late.blame is Blame.MESSAGE


async def test_delivered_parts_are_settled_and_only_the_rest_is_sent_again() -> None:
    peer = Peer(answers={"b": NOT_OURS})
    dispatcher = dispatcher_to(World(peer))
    trigger = messages("a", "b", "c")

    first = await dispatcher.dispatch(trigger, secret())
    peer.answers.clear()
    left = {part.name for part in first.parts if not part.settled}
    rest = tuple(m for m in trigger.messages if m.part in left)
    second = await dispatcher.dispatch(QueueMessages(rest), secret())

    assert isinstance(first, Deferred)
    assert isinstance(second, Delivered)
    assert sorted(peer.kept) == ["a", "b", "c"]


async def test_a_message_that_the_reply_forgets_is_uncertain() -> None:
    @dataclass(slots=True)
    class Forgetful(Peer):
        async def send(
            self, entries: Sequence[BatchEntry], credentials: SqsCredentials
        ) -> BatchReply | Refusal:
            return {0: Enqueued("id"), None: Enqueued("whose?"), 7: Enqueued("whose?")}

    dispatcher = dispatcher_to(World(Forgetful()))

    outcome = await dispatcher.dispatch(messages("a", "b"), secret())

    assert isinstance(outcome, Uncertain)
    assert [part.settled for part in outcome.parts] == [True, False]


async def test_an_invalid_message_does_not_fail_others_of_its_call() -> None:
    peer = Peer(answers={"huge": SPOILT})
    dispatcher = dispatcher_to(World(peer))

    first, huge, last = await asyncio.gather(
        *(dispatcher.dispatch(messages(body), secret()) for body in ("a", "huge", "c"))
    )

    assert isinstance(first, Delivered)
    assert isinstance(last, Delivered)
    assert isinstance(huge, Rejected)
    assert peer.kept == ["a", "c"]


async def test_a_refusal_about_the_queue_is_not_repeated_for_each_message() -> None:
    peer = Peer(answers={"a": NO_QUEUE})

    outcome = await dispatcher_to(World(peer)).dispatch(messages("a", "b"), secret())

    assert isinstance(outcome, Rejected)
    assert outcome.fault is Fault.DEFINITION
    assert peer.calls == [["a", "b"]]


@pytest.mark.parametrize(
    ("fault", "kind"), [(ConnectionFailed, Deferred), (NoReply, Uncertain)]
)
async def test_without_a_reply_it_matters_whether_the_request_went_out(
    fault: type[ConnectionFailed] | type[NoReply], kind: type[Outcome]
) -> None:
    peer = Peer(answers={"a": fault})

    outcome = await dispatcher_to(World(peer)).dispatch(messages("a", "b"), secret())

    assert isinstance(outcome, kind)
    assert not any(part.settled for part in outcome.parts)
    assert peer.calls == [["a", "b"]]
    if isinstance(outcome, Deferred):
        assert outcome.blame is Blame.PEER


async def test_a_message_that_sqs_would_refuse_is_not_sent_and_its_siblings_are() -> (
    None
):
    peer = Peer()
    trigger = messages("a", "b\0", "c")

    outcome = await dispatcher_to(World(peer)).dispatch(trigger, secret())

    assert isinstance(outcome, Rejected)
    assert outcome.fault is Fault.TRIGGER
    assert [part.settled for part in outcome.parts] == [True, False, True]
    assert peer.kept == ["a", "c"]


async def test_with_nothing_left_nothing_is_sent() -> None:
    peer = Peer()

    outcome = await dispatcher_to(World(peer)).dispatch(QueueMessages(()), secret())

    assert isinstance(outcome, Delivered)
    assert peer.calls == []


@pytest.mark.parametrize(
    ("opened", "about"),
    [
        (secret(type_="smtp"), "aws-sqs"),
        (secret(type_="text"), "aws-sqs"),
        (secret(region="eu-west-1"), "another region"),
        (secret("http://127.0.0.1:4566/123456789012/q"), "KEYRELAY_SQS_ENDPOINTS"),
    ],
)
async def test_a_secret_that_cannot_be_used_is_the_definitions_fault(
    opened: OpenedSecret, about: str
) -> None:
    world = World(Peer())

    outcome = await dispatcher_to(world).dispatch(messages("a"), opened)

    assert isinstance(outcome, Rejected)
    assert outcome.fault is Fault.DEFINITION
    assert about in outcome.reason
    assert "hunter2" not in outcome.reason
    assert world.made == []


async def test_messages_of_a_group_go_one_after_the_other_and_in_order() -> None:
    peer = Peer()
    trigger = messages("a", "b", "c", group="g")

    outcome = await dispatcher_to(World(peer)).dispatch(trigger, secret(FIFO))

    assert isinstance(outcome, Delivered)
    assert peer.calls == [["a"], ["b"], ["c"]]


async def test_different_groups_share_a_call() -> None:
    peer = Peer()
    trigger = QueueMessages((message("0", "a", "g"), message("1", "b", "h")))

    await dispatcher_to(World(peer)).dispatch(trigger, secret(FIFO))

    assert peer.calls == [["a", "b"]]


async def test_messages_of_one_group_are_never_under_way_together() -> None:
    peer = Peer()
    dispatcher = dispatcher_to(World(peer))

    await asyncio.gather(
        *(
            dispatcher.dispatch(messages(f"{n}a", f"{n}b", group="g"), secret(FIFO))
            for n in range(5)
        )
    )

    assert peer.groups_at_once == 1
    assert peer.kept == [f"{n}{part}" for n in range(5) for part in "ab"]


async def test_a_group_stops_at_the_first_message_that_is_not_taken() -> None:
    peer = Peer(answers={"b": NOT_OURS})
    trigger = messages("a", "b", "c", group="g")

    outcome = await dispatcher_to(World(peer)).dispatch(trigger, secret(FIFO))

    assert isinstance(outcome, Deferred)
    assert outcome.reason == "InternalError"
    assert [part.settled for part in outcome.parts] == [True, False, False]
    assert peer.kept == ["a"]
    assert peer.calls == [["a"], ["b"]]


async def test_a_failing_group_does_not_stop_another() -> None:
    peer = Peer(answers={"b": NOT_OURS})
    trigger = QueueMessages((message("0", "b", "g"), message("1", "c", "h")))

    await dispatcher_to(World(peer)).dispatch(trigger, secret(FIFO))

    assert peer.kept == ["c"]


async def test_an_invalid_message_does_not_stop_its_group() -> None:
    peer = Peer(answers={"b": INVALID})
    trigger = messages("a", "b", "c", group="g")

    outcome = await dispatcher_to(World(peer)).dispatch(trigger, secret(FIFO))

    assert isinstance(outcome, Rejected)
    assert [part.settled for part in outcome.parts] == [True, False, True]
    assert peer.kept == ["a", "c"]


async def test_a_queue_that_does_not_exist_is_asked_once_for_a_group() -> None:
    peer = Peer(answers={"a": NO_QUEUE})
    trigger = messages("a", "b", "c", group="g")

    outcome = await dispatcher_to(World(peer)).dispatch(trigger, secret(FIFO))

    assert isinstance(outcome, Rejected)
    assert outcome.fault is Fault.DEFINITION
    assert peer.calls == [["a"]]


async def test_a_cancelled_dispatch_leaves_the_others_of_its_call_alone() -> None:
    peer = Peer(gate=asyncio.Event())
    dispatcher = dispatcher_to(World(peer))
    first = asyncio.create_task(dispatcher.dispatch(messages("a"), secret()))
    second = asyncio.create_task(dispatcher.dispatch(messages("b"), secret()))
    await peer.asked.acquire()

    first.cancel()
    await asyncio.wait([first])
    assert peer.gate is not None
    peer.gate.set()

    assert isinstance(await second, Delivered)
    assert peer.calls == [["a", "b"]]


async def test_locks_of_groups_are_dropped_when_unused() -> None:
    dispatcher = dispatcher_to(World(Peer()))

    await dispatcher.dispatch(messages("a", group="g"), secret(FIFO))

    assert len(dispatcher._group_locks) == 0


@pytest.mark.parametrize(
    ("limit", "length", "taken"),
    [
        (2048, 2048, True),
        (2048, 2049, False),
        (None, LARGEST, True),
        (None, LARGEST + 1, False),
        (2 * LARGEST, LARGEST + 1, False),
        (0, LARGEST, True),
        (0, LARGEST + 1, False),
    ],
    ids=repr,
)
async def test_the_queues_own_limit_is_kept_or_else_that_of_sqs(
    *, limit: int | None, length: int, taken: bool
) -> None:
    peer = Peer(limit=limit)

    outcome = await dispatcher_to(World(peer)).dispatch(
        messages("x" * length), secret()
    )

    assert isinstance(outcome, Delivered if taken else Rejected)
    assert bool(peer.kept) is taken


async def test_a_queues_limit_is_read_once_and_only_for_what_may_exceed_it() -> None:
    peer = Peer(limit=4096)
    dispatcher = dispatcher_to(World(peer))

    await dispatcher.dispatch(messages("x" * 1024), secret())
    assert peer.limits_read == 0
    await dispatcher.dispatch(messages("x" * 1025, "x" * 1026), secret())
    await dispatcher.dispatch(messages("x" * 1025), secret())

    assert peer.limits_read == 1


async def test_a_limit_without_an_answer_is_read_again() -> None:
    peer = Peer(limit=0)
    dispatcher = dispatcher_to(World(peer))

    await dispatcher.dispatch(messages("x" * 2000), secret())
    await dispatcher.dispatch(messages("x" * 2000), secret())

    assert peer.limits_read == 2


async def test_each_version_of_a_secret_has_a_client_of_its_own() -> None:
    world = World(Peer())
    dispatcher = dispatcher_to(world)

    for version in (1, 1, 2, 1):
        await dispatcher.dispatch(messages("a"), secret(version=version))

    assert len(world.made) == 2


async def test_a_client_idle_for_long_is_closed_for_the_next() -> None:
    world = World(Peer())
    dispatcher = dispatcher_to(world)
    await dispatcher.dispatch(messages("a"), secret(version=1))
    world.clock.now += timedelta(minutes=6)
    await dispatcher.dispatch(messages("a"), secret(version=2))
    await dispatcher.dispatch(messages("a"), secret(version=3))

    assert [peer.closed for peer in world.made] == [True, False, False]


async def test_of_too_many_clients_the_one_unused_for_longest_is_closed() -> None:
    world = World(Peer())
    dispatcher = dispatcher_to(world, most=2)
    for version in (1, 2, 1, 3):
        world.clock.now += timedelta(seconds=1)
        await dispatcher.dispatch(messages("a"), secret(version=version))

    assert [peer.closed for peer in world.made] == [False, True, False]


async def test_a_client_in_use_is_never_closed() -> None:
    world = World(Peer(gate=asyncio.Event()))
    dispatcher = dispatcher_to(world, most=1)
    busy = asyncio.create_task(dispatcher.dispatch(messages("a"), secret(version=1)))
    await world.peer.asked.acquire()
    world.clock.now += timedelta(hours=1)
    other = asyncio.create_task(dispatcher.dispatch(messages("a"), secret(version=2)))
    await world.peer.asked.acquire()

    assert [peer.closed for peer in world.made] == [False, False]
    assert world.peer.gate is not None
    world.peer.gate.set()
    await asyncio.gather(busy, other)


async def test_closing_waits_for_calls_whose_callers_have_left() -> None:
    world = World(Peer(gate=asyncio.Event()))
    dispatcher = dispatcher_to(world)
    left = asyncio.create_task(dispatcher.dispatch(messages("a"), secret()))
    await world.peer.asked.acquire()
    left.cancel()
    await asyncio.wait([left])

    closing = await begun(dispatcher.close())
    assert not world.peer.closed
    assert world.peer.gate is not None
    world.peer.gate.set()
    await closing

    assert world.peer.closed
    assert world.peer.kept == ["a"]


@given(
    triggers=st.lists(
        st.lists(st.sampled_from("ghi"), min_size=1, max_size=6), min_size=1, max_size=6
    ),
    failing=st.sets(st.integers(min_value=0, max_value=20)),
)
def test_whatever_fails_a_group_keeps_its_order_and_nothing_is_taken_twice(
    triggers: list[list[str]], failing: set[int]
) -> None:
    """Bodies tell trigger, group and place; a failure is over with the next round."""

    async def play() -> None:
        numbered = [
            [
                message(str(n), f"{t}{group}{n}", f"{group}")
                for n, group in enumerate(groups)
            ]
            for t, groups in enumerate(triggers)
        ]
        bodies = [m.body for trigger in numbered for m in trigger]
        peer = Peer({bodies[n % len(bodies)]: NOT_OURS for n in failing})
        dispatcher = dispatcher_to(World(peer))
        left = [QueueMessages(tuple(trigger)) for trigger in numbered]
        outcomes: list[Outcome] = []
        for _ in range(2):
            outcomes = await asyncio.gather(
                *(dispatcher.dispatch(trigger, secret(FIFO)) for trigger in left)
            )
            left = [unsettled(*pair) for pair in zip(left, outcomes, strict=True)]
            peer.answers.clear()

        assert all(isinstance(outcome, Delivered) for outcome in outcomes)
        assert sorted(peer.kept) == sorted(bodies)
        assert peer.groups_at_once == 1
        for number, trigger in enumerate(triggers):
            for group in trigger:
                places = [b for b in peer.kept if b.startswith(f"{number}{group}")]
                assert places == sorted(places)

    asyncio.run(play())


def unsettled(trigger: QueueMessages, outcome: Outcome) -> QueueMessages:
    done = {part.name for part in outcome.parts if part.settled}
    return QueueMessages(tuple(m for m in trigger.messages if m.part not in done))
