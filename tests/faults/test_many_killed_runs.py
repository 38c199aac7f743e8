"""Many killed runs: workers die at any moment, and each run ends with its reason."""

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.faults.hosted import (
    WITHIN,
    Document,
    Hosted,
    all_end,
    new_hosted,
    repeating,
)
from tests.faults.lengths import KILLS_OF_RUNS
from tests.faults.reckoning import DURABLE
from tests.faults.witness import Witness, witnessing
from tests.installed.api import Api, answering, token_of
from tests.services.deadline import met
from tests.services.postgresql import PostgreSql

EACH = 12  # runs that are asked for before each kill
MOST_BEGUN = 6  # of scripts, from one kill to the next
SLOWEST = timedelta(seconds=0.3)
SEED = 20_260_105


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReckoning:
    """Sets of runs by their names; `cut` are those that failed as they were cut short.

    `resent` are those that began again although a durable record said how they ended.
    """

    asked: frozenset[str]
    done: frozenset[str]
    cut: frozenset[str]
    repeated: frozenset[str]
    too_often: frozenset[str]
    unaccounted: frozenset[str]
    resent: frozenset[str]

    @property
    def lost(self) -> frozenset[str]:
        return self.asked - self.done - self.cut

    def __str__(self) -> str:
        return (
            f"{len(self.asked)} asked for, {len(self.done)} done,"
            f" {len(self.cut)} cut short twice, {len(self.lost)} lost;"
            f" {len(self.repeated)} begun twice, {len(self.unaccounted)} of them"
            f" unaccounted for, {len(self.too_often)} begun more often,"
            f" {len(self.resent)} begun although their record was durable"
        )


@pytest.fixture
def witness() -> Iterator[Witness]:
    with witnessing() as running:
        yield running


@pytest.fixture(params=["up, embedded", "worker, PostgreSQL"])
def ground(
    request: pytest.FixtureRequest, tmp_path: Path, bwrap: Path, witness: Witness
) -> tuple[Hosted, str]:
    """What runs are asked of, and the command that performs them."""
    command, _, place = request.param.partition(", ")
    settings: Mapping[str, str] = {}
    if place == "PostgreSQL":
        postgresql: PostgreSql = request.getfixturevalue("postgresql")
        settings = {"KEYRELAY_DATABASE": postgresql.url(postgresql.create())}
    return new_hosted(tmp_path / "home", witness, settings), command


@pytest.mark.timeout(180 + 10 * KILLS_OF_RUNS)
def test_kills_of_workers_lose_no_run_and_begin_none_more_than_twice(
    ground: tuple[Hosted, str], tell: Callable[[str], None]
) -> None:
    hosted, command = ground
    token = token_of(hosted.home, "full")

    with answering(hosted.home) as api:
        names = _kill(hosted, command, api.with_token(token))
    under_way = hosted.witness.count("begun")
    with hosted.performing(command):
        assert hosted.await_over(WITHIN + KILLS_OF_RUNS * timedelta(seconds=5))

    reckoning = _reckon(hosted, names)
    tell(f"{command}: {KILLS_OF_RUNS} kills: {reckoning}")
    assert under_way < hosted.witness.count("begun"), "the last kill must meet work"
    assert reckoning.lost == set()
    assert reckoning.too_often == set()
    assert reckoning.unaccounted == set()
    assert reckoning.resent == set()
    hosted.home.run("audit", "verify")


def _kill(hosted: Hosted, command: str, api: Api) -> Mapping[str, str]:
    """Kill worker after worker at work, each when the next one is already there.

    Return the name of each run that was asked for by its id.
    """
    dice, names = random.Random(SEED), dict[str, str]()  # noqa: S311 - to be repeatable
    with ExitStack() as stack:
        oldest = stack.enter_context(hosted.performing(command))
        for _ in range(KILLS_OF_RUNS):
            next_ = stack.enter_context(hosted.performing(command))
            more = dice.randint(1, MOST_BEGUN)
            begun = hosted.witness.count("begun")
            names |= _ask(hosted, api, [f"r{len(names) + n}" for n in range(EACH)])
            hosted.witness.await_count("begun", begun + more, WITHIN)
            met(lambda: False, dice.random() * SLOWEST)
            with all_end(oldest):
                oldest.kill()
            oldest = next_
        oldest.kill()
    return names


def _ask(hosted: Hosted, api: Api, names: list[str]) -> Mapping[str, str]:
    asked = {}
    for name in names:
        scope = {"scope": [{"variable": name}]}
        answer = api.ask("POST", f"/analysis/{hosted.analysis}/run", scope)
        asked[answer.field("run")] = name
    return asked


def _reckon(hosted: Hosted, names: Mapping[str, str]) -> RunReckoning:
    """Read runs, records and witness, once all is over."""
    begun, ended = hosted.witness.times("begun"), hosted.witness.times("ended")
    attempts, runs = hosted.attempts(), hosted.runs()
    well = {names[str(run["id"])] for run in runs if run["state"] == "done"}
    accounted = {names[str(id_)] for id_ in repeating(attempts)}
    repeated = {name for name, times in begun.items() if times > 1}
    return RunReckoning(
        asked=frozenset(names.values()),
        done=frozenset(well & {*ended}),
        cut=frozenset(names[str(run["id"])] for run in runs if _is_cut(run)),
        repeated=frozenset(repeated),
        too_often=frozenset(name for name, times in begun.items() if times > 2),
        unaccounted=frozenset(repeated - accounted),
        resent=frozenset(_resent(hosted.witness, attempts, names)),
    )


def _is_cut(run: Document) -> bool:
    result = run["result"]
    sentence = result["sentence"] if isinstance(result, dict) else ""
    return run["state"] == "failed" and "cut short" in sentence


def _resent(
    witness: Witness, attempts: list[Document], names: Mapping[str, str]
) -> Iterator[str]:
    last = {each.name: each.at for each in witness.entries}  # the last one stays
    for attempt in attempts:
        name = names[str(attempt["trigger"])]
        recorded = datetime.fromisoformat(str(attempt["at"])).timestamp()
        if last.get(f"begun {name}", 0.0) > recorded + DURABLE:
            yield name
