"""External runs: the listener that waited longest, one run at a time, none in clear."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count

import pytest

from keyrelay.model.analysis import Analysis, RunOn, ScriptedAnalysis
from keyrelay.model.outcome import (
    LEASE_LOST,
    Deferred,
    Delivered,
    Fault,
    Outcome,
    Rejected,
    Uncertain,
)
from keyrelay.model.policy.kinds import ANALYSIS as KIND
from keyrelay.model.release import ReleasedEnvironment, ReleasedRun, RunPlace
from keyrelay.model.run import RunCause, RunOrder, RunOrigin, RunResult
from keyrelay.model.secret import SecretValue
from keyrelay.model.tags import Tagged
from keyrelay.model.token import Token, TokenKind, TokenRights
from keyrelay.services.events.external_runs import ExternalStage
from keyrelay.services.events.listeners import (
    Listeners,
    StreamLimits,
    TooManyStreams,
)
from keyrelay.services.events.run_listeners import (
    RunListener,
    RunListeners,
    may_listen,
)
from tests.fakes import Clock, settled
from tests.samples import NOON, OTHER_PROFILE, PROFILE

ANALYSIS, ANOTHER = "a" * 24, "b" * 24
ADDRESS = "192.0.2.7"
SOON = timedelta(seconds=5)


def a_token(analysis: str = ANALYSIS, profile: str = PROFILE) -> Token:
    return Token(
        id=analysis[::-1],
        profile=profile,
        name="script",
        rights=TokenRights(kind=TokenKind.ANALYSIS, analysis=analysis),
        prefix="a-",
        expires_at=None,
    )


SCRIPTED = ScriptedAnalysis(
    analysis=Analysis(
        tagged=Tagged(kind=KIND, profile=PROFILE, id=ANALYSIS, tags=()),
        name="cooling",
        active=True,
        run_on=RunOn.EXTERNAL,
        interval=None,
        variables=(),
    )
)
ORDER = RunOrder(
    id="r1",
    profile=PROFILE,
    analysis=ANALYSIS,
    run_on=RunOn.EXTERNAL,
    cause=RunCause(
        origin=RunOrigin.REQUEST, asked_at=NOON, deadline=NOON + timedelta(hours=1)
    ),
    scope='[{"variable":"t","value":"\\u2028"}]',
)
RUN = ReleasedRun(
    order=ORDER,
    scripted=SCRIPTED,
    environment=ReleasedEnvironment(
        pairs=(("key", SecretValue("hunter2")), ("limit", 8)),
        withheld=("secret other is withheld",),
        remarks=("variable limit is one too many",),
    ),
)


@dataclass(slots=True)
class Console:
    last_lines: list[str] = field(default_factory=list)

    async def take(self, line: str) -> None:
        self.last_lines.append(line)


@dataclass(slots=True)
class Bench:
    """A stage, and what its runs leave behind."""

    clock: Clock = field(default_factory=lambda: Clock(time=NOON))
    console: Console = field(default_factory=Console)
    results: dict[str, RunResult] = field(default_factory=dict)
    listeners: RunListeners = field(init=False)
    stage: ExternalStage = field(init=False)
    held: bool = True

    def __post_init__(self) -> None:
        numbers = count(1)
        world = replace(self.clock.world(), new_id=lambda _: f"l{next(numbers)}")
        limits = StreamLimits(in_all=9, of_a_profile=9, of_a_token=4)
        self.listeners = RunListeners(counted=Listeners(limits=limits), world=world)
        self.stage = ExternalStage(
            listeners=self.listeners,
            token=self.token,
            console=self.open_console,
            note=self.results.__setitem__,
            now=self.clock.now,
        )

    async def token(self, _: RunOrder) -> SecretValue:
        return SecretValue("a-own")

    @asynccontextmanager
    async def open_console(
        self, _: RunOrder, __: Sequence[SecretValue]
    ) -> AsyncIterator[Console]:
        yield self.console

    async def still_held(self) -> bool:
        return self.held

    def listen(self, *, is_private: bool = True) -> RunListener:
        return self.listeners.add(a_token(), ADDRESS, is_private=is_private)

    async def place(self) -> RunPlace | Deferred | Rejected:
        return await self.stage.place(ORDER, SCRIPTED)

    async def chosen(self) -> str | None:
        place = await self.place()
        assert isinstance(place, RunPlace)
        return place.listener

    async def perform(self, chosen: RunListener) -> Outcome:
        place = RunPlace(
            run_on=RunOn.EXTERNAL, address=chosen.address, listener=chosen.id
        )
        return await self.stage.perform(RUN, place, self.still_held)

    async def begin(self, chosen: RunListener) -> asyncio.Future[Outcome]:
        """Begin to hand a run over, and return once the listener may take it."""
        performing = asyncio.ensure_future(self.perform(chosen))
        await settled()
        assert chosen.listener.is_busy
        return performing


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_the_least_recently_used_listener_is_chosen(bench: Bench) -> None:
    first, second = bench.listen(), bench.listen()

    assert [await bench.chosen() for _ in range(3)] == [first.id, second.id, first.id]
    third = bench.listen()
    assert [await bench.chosen() for _ in range(3)] == [second.id, first.id, third.id]


async def test_one_that_has_not_taken_its_run_is_passed_over(bench: Bench) -> None:
    slow, quick = bench.listen(), bench.listen()
    performing = await bench.begin(slow)

    assert [await bench.chosen() for _ in range(2)] == [quick.id, quick.id]
    assert [*bench.listeners.wanted()] == [ANALYSIS]
    quick.listener.end()
    assert await bench.place() == Deferred("no listener is free", spends_attempt=False)
    assert [*bench.listeners.wanted()] == []
    slow.listener.end()
    await performing


async def test_nobody_who_listens_is_no_attempt(bench: Bench) -> None:
    assert await bench.place() == Deferred("no listener is free", spends_attempt=False)


async def test_listeners_of_another_profile_are_handed_nothing(bench: Bench) -> None:
    bench.listeners.add(a_token(profile=OTHER_PROFILE), ADDRESS, is_private=True)

    assert isinstance(await bench.place(), Deferred)


async def test_no_run_goes_over_a_connection_in_clear(bench: Bench) -> None:
    bench.listen(is_private=False)
    refused = await bench.place()
    private = bench.listen()

    assert isinstance(refused, Rejected)
    assert refused.fault is Fault.DEFINITION
    assert "in clear" in refused.reason
    assert [await bench.chosen() for _ in range(2)] == [private.id] * 2


async def test_a_run_that_is_written_is_delivered(bench: Bench) -> None:
    chosen = bench.listen()
    bench.clock.advance(timedelta(seconds=12))
    performing = await bench.begin(chosen)
    (event,) = await chosen.listener.take(SOON) or ()
    assert not performing.done()
    chosen.listener.written()

    handed = f"handed to a listener at {ADDRESS}, connected for 12 s ({chosen.id})"
    assert await performing == Delivered(handed)
    assert json.loads(event.data) == {
        "payload": {
            "analysis_id": ANALYSIS,
            "run_id": "r1",
            "token": "a-own",
            "environment": [
                {"key": "key", "value": "hunter2"},
                {"key": "limit", "value": 8},
            ],
            "data": [{"variable": "t", "value": "\u2028"}],
        }
    }
    assert event.data.isascii()
    assert "hunter2" not in repr(event)
    lines = [*RUN.environment.told, f"It was {handed}."]
    assert lines[:2] == ["secret other is withheld", "variable limit is one too many"]
    assert bench.console.last_lines == lines
    assert bench.results["r1"].sentence == lines[-1]


async def test_one_that_goes_while_it_is_written_is_uncertain(bench: Bench) -> None:
    chosen = bench.listen()
    performing = await bench.begin(chosen)
    await chosen.listener.take(SOON)
    chosen.listener.end()

    assert isinstance(await performing, Uncertain)
    assert bench.results == {}


@pytest.mark.parametrize("when", ["before", "removed", "meanwhile"])
async def test_one_that_goes_before_it_is_written_to_spends_no_attempt(
    bench: Bench, when: str
) -> None:
    chosen = bench.listen()
    if when == "meanwhile":
        performing = await bench.begin(chosen)
        chosen.listener.end()
        outcome = await performing
    else:
        chosen.listener.end()
        if when == "removed":
            bench.listeners.remove(chosen)
        outcome = await bench.perform(chosen)

    assert isinstance(outcome, Deferred)
    assert not outcome.spends_attempt


async def test_a_keep_alive_that_is_written_is_no_run_that_is(bench: Bench) -> None:
    chosen = bench.listen()
    assert await chosen.listener.take(timedelta()) == ()
    performing = await bench.begin(chosen)
    chosen.listener.written()  # the comment
    chosen.listener.end()

    assert isinstance(await performing, Deferred)


async def test_two_runs_for_one_listener_go_one_after_the_other(bench: Bench) -> None:
    chosen = bench.listen()
    both = [await bench.begin(chosen), await bench.begin(chosen)]
    for performing in both:
        assert len(await chosen.listener.take(SOON) or ()) == 1
        chosen.listener.written()
        assert isinstance(await performing, Delivered)


async def test_a_lease_that_was_lost_hands_nothing_over(bench: Bench) -> None:
    chosen = bench.listen()
    bench.held = False

    assert await bench.perform(chosen) == LEASE_LOST
    assert await chosen.listener.take(timedelta()) == ()


async def test_listeners_are_so_many_and_no_more(bench: Bench) -> None:
    four = [bench.listen() for _ in range(4)]
    with pytest.raises(TooManyStreams, match="4 event streams"):
        bench.listen()
    bench.listeners.add(a_token(ANOTHER), ADDRESS, is_private=True)

    bench.listeners.remove(four[0])

    assert len([*bench.listeners]) == 4
    assert {*bench.listeners.wanted()} == {ANALYSIS, ANOTHER}
    bench.listen()


def test_only_a_main_token_of_an_analysis_may_listen() -> None:
    own = TokenRights(kind=TokenKind.ANALYSIS, analysis=ANALYSIS, run="r1")

    assert may_listen(a_token().rights)
    assert not may_listen(own)
    assert not may_listen(TokenRights(kind=TokenKind.OPERATOR))
