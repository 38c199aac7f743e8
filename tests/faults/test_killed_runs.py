"""Killed runs: a worker that dies, stalls or stops leaves no run behind."""

import signal
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from tests.faults.hosted import (
    LEASE,
    WITHIN,
    Document,
    Hosted,
    all_end,
    new_hosted,
    repeating,
)
from tests.faults.stalling import put_to_sleep
from tests.faults.witness import Witness, witnessing
from tests.installed.command import Command
from tests.installed.halting_process import Step, halted
from tests.services.deadline import met

# By where it is killed: how often the secret is released, how often the script begins,
# and whether a record says that an attempt was cut.
CUT = {
    Step.LEASED: (1, 1, True),
    Step.RELEASED: (2, 1, True),
    Step.ENDED: (2, 2, True),
    Step.RECORDED: (1, 1, False),
    Step.SETTLED: (1, 1, False),
}


@pytest.fixture
def witness() -> Iterator[Witness]:
    with witnessing() as running:
        yield running


@pytest.fixture
def settings() -> Mapping[str, str]:
    return {}


@pytest.fixture
def hosted(
    tmp_path: Path, bwrap: Path, witness: Witness, settings: Mapping[str, str]
) -> Hosted:
    return new_hosted(tmp_path / "home", witness, settings)


def came_to(hosted: Hosted, id_: str) -> Document:
    """Return the run, once it is over."""
    assert hosted.await_over(), hosted.runs()
    return hosted.run(id_)


def begin(hosted: Hosted) -> None:
    """Return once one more script waits for its witness."""
    before = hosted.witness.count("begun")
    hosted.witness.await_count("begun", before + 1, WITHIN)


@pytest.mark.parametrize("step", Step)
def test_a_run_whose_worker_is_killed_between_two_steps_ends_well(
    hosted: Hosted, step: Step
) -> None:
    released, begun, repeated = CUT[step]
    id_ = hosted.ask("r")

    with halted(hosted.home, step) as worker, all_end(worker):
        worker.kill()
    with hosted.performing() as worker:
        run = came_to(hosted, id_)

    attempts = hosted.attempts()
    assert run["state"] == "done"
    assert run["attempts"] == 2 - (step is Step.SETTLED)
    assert [attempt["outcome"] for attempt in attempts] == ["delivered"]
    assert repeating(attempts) == ({id_} if repeated else set())
    assert len(hosted.releases()) == released
    assert hosted.witness.times("begun")["r"] == begun
    assert worker.count("settled by its record") == (step is Step.RECORDED)
    hosted.home.run("audit", "verify")


@pytest.mark.parametrize("command", ["up", "worker"])
def test_a_run_that_is_cut_short_twice_fails_with_a_sentence(
    hosted: Hosted, command: str
) -> None:
    id_ = hosted.ask("r")

    with hosted.witness.silent():
        for _ in range(2):
            with hosted.performing(command) as worker:
                begin(hosted)
                with all_end(worker):
                    worker.kill()
    with hosted.performing(command):
        run = came_to(hosted, id_)

    assert run["state"] == "failed"
    assert isinstance(run["result"], dict)
    assert "cut short" in run["result"]["sentence"]
    assert hosted.witness.times("begun")["r"] == 2
    [attempt] = hosted.attempts()
    assert (attempt["attempt"], attempt["repeats"]) == (3, True)


def test_a_worker_that_is_told_to_stop_waits_for_the_run_under_way(
    hosted: Hosted,
) -> None:
    id_ = hosted.ask("r")

    with hosted.witness.silent(), hosted.performing() as worker:
        begin(hosted)
        worker.send(signal.SIGTERM)
        assert not met(lambda: worker.count("worker stopped") > 0, LEASE * 1.5)
        hosted.witness.answers.set()
        code = worker.end()
    run = hosted.run(id_)

    assert code == 0
    assert (run["state"], run["attempts"]) == ("done", 1)
    assert hosted.witness.times("ended")["r"] == 1
    assert repeating(hosted.attempts()) == set()


def test_a_run_that_outlasts_the_grace_is_killed_and_given_back_at_once(
    hosted: Hosted,
) -> None:
    id_ = hosted.ask("r")
    patient = {"KEYRELAY_LEASE_SECONDS": "3600", "KEYRELAY_GRACE_SECONDS": "1"}

    with hosted.witness.silent(), hosted.performing(**patient) as worker:
        begin(hosted)
        with all_end(worker):
            worker.send(signal.SIGTERM)
            code = worker.end()
        given_back = hosted.run(id_)
    with hosted.performing(**patient):
        run = came_to(hosted, id_)

    assert code == 0
    assert given_back["state"] == "running"
    assert (run["state"], run["attempts"]) == ("done", 2)
    assert repeating(hosted.attempts()) == {id_}


def test_a_stalled_worker_ends_the_script_of_a_run_that_another_took_and_says_nothing(
    hosted: Hosted,
) -> None:
    id_ = hosted.ask("r")

    with hosted.performing() as stalled:
        with hosted.witness.silent():
            begin(hosted)
            stall(hosted, stalled)
            with hosted.performing() as other:
                begin(hosted)
                stalled.send(signal.SIGCONT)
                stalled.await_said("run lost to another process")
                hosted.witness.answers.set()
                ended = came_to(hosted, id_)
                stop(other)
        stop(stalled)

    assert (ended["state"], ended["attempts"]) == ("done", 2)
    assert hosted.run(id_) == ended
    assert hosted.witness.times("ended")["r"] == 1
    assert {attempt["attempt"] for attempt in hosted.attempts()} == {2}
    assert repeating(hosted.attempts()) == {id_}


def test_a_worker_that_stalled_alone_goes_on_with_its_run(hosted: Hosted) -> None:
    id_ = hosted.ask("r")

    with hosted.performing() as stalled:
        with hosted.witness.silent():
            begin(hosted)
            stall(hosted, stalled)
            met(lambda: False, LEASE * 1.5)
            stalled.send(signal.SIGCONT)
            # Long enough for its other lane to look for a run.
            met(lambda: False, timedelta(seconds=1))
        run = came_to(hosted, id_)
        stop(stalled)

    assert (run["state"], run["attempts"]) == ("done", 1)
    assert hosted.witness.times("begun")["r"] == 1


def stall(hosted: Hosted, worker: Command) -> None:
    again = partial(met, lambda: False, timedelta(seconds=0.1))
    put_to_sleep(worker, [hosted.home.path / "keyrelay.db"], again)


def stop(worker: Command) -> None:
    worker.send(signal.SIGTERM)
    assert worker.end() == 0, worker.said
