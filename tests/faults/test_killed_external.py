"""A killed API that hands out runs: none is lost, and none comes twice unrecorded."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from tests.faults.lengths import KILLS_OF_EXTERNAL
from tests.installed.api import Api, answering, token_of
from tests.installed.external import (
    ALLOW,
    External,
    listening,
    new_analysis,
    new_secret,
    run,
)
from tests.installed.home import Home
from tests.services import deadline

SEED = 20_260_101
RUNS = 4  # asked for before each kill
LONGEST = 0.4  # seconds from the first of them to the kill
LISTENERS = 2
WITHIN = timedelta(seconds=90)  # leases end after 15 s


@dataclass(slots=True)
class Received:
    """What listeners were handed, by the ids of the runs, and how often."""

    runs: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def listening(self, api: Api, analysis: External) -> Iterator[None]:
        """Listen until the server ends, however it does; it is ended in the block."""
        opened = threading.Barrier(LISTENERS + 1)
        threads = [
            threading.Thread(target=self._listen, args=(api, analysis, opened))
            for _ in range(LISTENERS)
        ]
        for thread in threads:
            thread.start()
        opened.wait()
        yield
        for thread in threads:
            thread.join()

    def _listen(self, api: Api, analysis: External, opened: threading.Barrier) -> None:
        # A kill cuts an answer short; half an event is none.
        with suppress(httpx.HTTPError, EOFError), listening(api, analysis) as stream:
            opened.wait()
            while True:
                self.runs[str(stream.next().payload["run_id"])] += 1


def listed(api: Api, analysis: External) -> Mapping[str, dict[str, object]]:
    """Return all runs of an analysis by their ids."""
    found, after = dict[str, dict[str, object]](), ""
    while True:
        path = f"/analysis/{analysis.id}/runs?amount=100{after}"
        page = api.get(path).result
        assert isinstance(page, dict)
        found |= {each["id"]: each for each in page["runs"]}
        if page["next"] is None:
            return found
        after = f"&after={page['next']}"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(path=tmp_path / "home")
    home.run("init")
    return home


@pytest.mark.timeout(180 + 10 * KILLS_OF_EXTERNAL)
def test_every_run_that_was_answered_is_handed_over_whenever_the_api_is_killed(
    home: Home, tell: Callable[[str], None]
) -> None:
    dice = random.Random(SEED)  # noqa: S311 - to be repeatable
    token, received, asked = token_of(home, "full"), Received(), set[str]()
    with answering(home) as running:
        api = running.with_token(token)
        analysis = new_analysis(api, "killed")
        new_secret(api, "key", "hunter2 is no password")
        api.ask("POST", "/am", ALLOW)

    for _ in range(KILLS_OF_EXTERNAL):
        with answering(home) as running:
            api = running.with_token(token)
            with received.listening(api, analysis):
                asked |= {run(api, analysis) for _ in range(RUNS)}
                time.sleep(dice.uniform(0, LONGEST))
                running.command.kill()
    with answering(home) as running:
        api = running.with_token(token)

        def is_over() -> bool:
            found = listed(api, analysis)
            return all(each["state"] == "done" for each in found.values())

        with received.listening(api, analysis):
            over = deadline.met(is_over, WITHIN)
            runs = listed(api, analysis)
            running.command.kill()

    twice = {id_ for id_, times in received.runs.items() if times > 1}
    tell(
        f"{KILLS_OF_EXTERNAL} kills, {len(asked)} runs, {len(twice)} handed over again"
    )
    assert over, [each for each in runs.values() if each["state"] != "done"]
    assert asked <= runs.keys()
    assert runs.keys() <= received.runs.keys()
    # What came again had an attempt that was cut short, and says so.
    assert {id_ for id_ in twice if runs[id_]["attempts"] == 1} == set()


def test_what_was_kept_and_not_handed_over_is_after_a_kill(home: Home) -> None:
    token = token_of(home, "full")
    with answering(home) as running:
        api = running.with_token(token)
        analysis = new_analysis(api, "kept")
        id_ = run(api, analysis, [{"variable": "t", "value": 9}])
        running.command.kill()

    with answering(home) as running:
        api = running.with_token(token)
        with listening(api, analysis) as stream:
            payload = stream.next().payload

    assert payload["run_id"] == id_
    assert payload["data"] == [{"variable": "t", "value": 9}]
