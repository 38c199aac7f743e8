"""Claims: what it costs to know each trigger again, in both databases."""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop
from rich.console import Console

from keyrelay.databases.opening import open_database
from keyrelay.model.claim import Arrival, ClaimStatus, Ending, Go
from keyrelay.model.claiming import Claims
from keyrelay.model.world import real_world
from keyrelay.stores.claims.claims import ClaimOptions, open_claims
from keyrelay.stores.schema.migrations import migrate
from tests.bench.kafka.stage import installed
from tests.bench.measure import Measure, measuring
from tests.bench.sheet import Sheet
from tests.samples import PROFILE
from tests.services import daemon, postgresql

Report = Callable[[Measure], None]

_TOGETHER = (32, 200, 500)

_console = Console()


def sheets(asked: argparse.Namespace) -> Iterator[Sheet]:
    measures = list[Measure]()
    with _console.status("Claims …"), _urls() as urls:
        for name, url in urls.items():
            uvloop.run(_measure(name, url, asked.triggers, measures.append))
    yield Sheet(title="Claims: made and ended, so many at once", measures=measures)


async def _measure(name: str, url: str, count: int, report: Report) -> None:
    async with open_database(url) as database:
        await migrate(database)
        async with open_claims(database, real_world(), ClaimOptions()) as claims:
            await _claim(claims, 50, _arrivals("first", 200))
            for together in _TOGETHER:
                arrivals = _arrivals(str(together), count)
                with measuring(f"{name}, {together}", count, report):
                    await _claim(claims, together, arrivals)


async def _claim(claims: Claims, together: int, arrivals: list[Arrival]) -> None:
    for first in range(0, len(arrivals), together):
        some = arrivals[first : first + together]
        assert all(isinstance(said, Go) for said in await claims.claim(some))
        assert all(await claims.end([_done(arrival) for arrival in some]))


def _arrivals(name: str, count: int) -> list[Arrival]:
    return [Arrival(profile=PROFILE, id=f"{name}-{n}") for n in range(count)]


def _done(arrival: Arrival) -> Ending:
    return Ending(claimed=arrival, status=ClaimStatus.DONE, then=arrival)


@contextmanager
def _urls() -> Iterator[dict[str, str]]:
    with (
        tempfile.TemporaryDirectory(prefix="keyrelay-bench-") as folder,
        daemon.folder() as directory,
        postgresql.running(directory, server=installed(postgresql)) as server,
    ):
        yield {
            "SQLite": f"sqlite:///{Path(folder) / 'keyrelay.db'}",
            "PostgreSQL": server.url(server.create()),
        }
