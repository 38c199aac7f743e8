"""Stage: a home that has much to list, and both applications on it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import insert

from keyrelay.app.founding import initialise
from keyrelay.app.settings_loading import load_settings
from keyrelay.app.store import Store, open_store
from keyrelay.model.world import real_world
from keyrelay.sources.sqlite.queue import open_queue
from keyrelay.stores.schema.attempt_tables import attempts
from tests.bench.api.bare import LISTENS
from tests.bench.api.client import Served
from tests.bench.definitions import action_id, fill
from tests.installed import command
from tests.installed.api import answering, token_of
from tests.installed.home import Home

BARE, OURS = "bare uvicorn, sqlite3", "keyrelay api"
FIRST = datetime(2030, 1, 1, tzinfo=UTC)  # when the first attempt began
STEP = timedelta(seconds=1)
ATTEMPTS = 100_000
_DEFINITIONS = 2000
_CHUNK = 1000
_ROOT = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """`own` is the queue of the bare application, with a table as ours."""

    home: Home
    profile: str
    own: Path


async def furnished(folder: Path) -> Stage:
    """Make a home with 2000 definitions of each kind and 100,000 attempts."""
    home = Home(path=folder / "home")
    settings = load_settings(None, {"home": home.path})
    profile = (await initialise(settings, "bench")).profile.id
    async with open_store(settings) as store:
        await fill(store, profile, _DEFINITIONS)
        await _attempt(store, profile)
    own = folder / "own.db"
    async with open_queue(own, real_world()):
        return Stage(home=home, profile=profile, own=own)


@contextmanager
def both_served(stage: Stage) -> Iterator[tuple[Served, Served, str]]:
    """Run both applications; give the bare one, ours and a token of ours."""
    token = token_of(stage.home, "full")
    files = (stage.own, stage.home.path / "queue.db", stage.home.path / "keyrelay.db")
    program = (sys.executable, "-m", "tests.bench.api.bare", stage.profile, *files)
    environment = stage.home.environment()
    with answering(stage.home) as api:
        ours = _port(api.url)
        with command.running(program, environment, _ROOT) as bare:
            bare.await_said(LISTENS)
            line = next(each for each in bare.said if LISTENS in each)
            yield (
                Served(name=BARE, process=bare.process.pid, port=_port(line)),
                Served(name=OURS, process=api.command.process.pid, port=ours),
                token,
            )


async def _attempt(store: Store, profile: str) -> None:
    async with store.database.writing() as connection:
        for first in range(0, ATTEMPTS, _CHUNK):
            numbers = range(first, first + _CHUNK)
            rows = [_attempted(profile, number) for number in numbers]
            await connection.execute(insert(attempts), rows)


def _attempted(profile: str, number: int) -> dict[str, object]:
    return {
        "profile": profile,
        "at": FIRST + number * STEP,
        "id": f"{number:024x}",
        "trigger": f"t{number}",
        "action": action_id(number % _DEFINITIONS),
        "secret": f"5{number % _DEFINITIONS:023x}",
        "outcome": "delivered",
        "reason_class": "delivered",
    }


def _port(text: str) -> int:
    return int(text.rpartition(":")[2])
