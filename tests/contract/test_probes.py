"""Probes: what a worker answers over a socket, and what it does not."""

import asyncio
import gzip
import json
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from keyrelay.app.channels import open_dispatchers
from keyrelay.app.founding import initialise
from keyrelay.app.settings import Settings
from keyrelay.app.worker import WorkerProcess, open_worker
from keyrelay.observability.probes import OFF, Probes, open_probes
from keyrelay.observability.readiness import FRESH_FOR
from keyrelay.ports import Unavailable

ANYWHERE = "127.0.0.1:0"
GRACE = timedelta(seconds=1)
PLAIN = {"Accept-Encoding": "identity"}
PARTS = ("worker", "vault", "definitions", "database", "queue")


@dataclass
class Ticking:
    time: float = 1000

    def __call__(self) -> float:
        return self.time


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, object]:
        read = json.loads(self.body)
        assert isinstance(read, dict)
        return read


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """A worker that answers at `place`."""

    process: WorkerProcess
    settings: Settings
    place: str
    stop: asyncio.Event
    clock: Ticking = field(default_factory=Ticking)

    async def ask(
        self, path: str, method: str = "GET", headers: Mapping[str, str] = PLAIN
    ) -> Answer:
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(
                method, f"http://{self.place}{path}", headers=PLAIN | dict(headers)
            ) as response,
        ):
            return Answer(
                status=response.status,
                headers=response.headers,
                body=await response.read(),
            )

    async def ready(self) -> tuple[int, object]:
        """Return the answer of a probe whose checks are due again."""
        self.clock.time += FRESH_FOR.total_seconds()
        answer = await self.ask("/readyz")
        return answer.status, answer.document["parts"]


def all_but(part: str, why: str) -> dict[str, str]:
    return dict.fromkeys(PARTS, "ready") | {part: why}


@pytest.fixture
async def settings(tmp_path: Path) -> Settings:
    settings = Settings(home=tmp_path / "home", lanes=2)
    await initialise(settings, "ada")
    return settings


@asynccontextmanager
async def answering(
    settings: Settings, address: str, *, chosen: bool = True, reads: bool = True
) -> AsyncIterator[Answering]:
    """Yield a worker that runs no lanes; if it `reads`, it has its definitions."""
    stop = asyncio.Event()
    async with (
        open_dispatchers(settings) as dispatchers,
        open_worker(settings, dispatchers, drain=False) as process,
    ):
        if reads:
            await process.catalog.refresh()
        observability = process.observability
        probes = Probes(
            registry=observability.registry,
            readiness=observability.readiness,
            stop=stop,
        )
        async with open_probes(address, probes, chosen=chosen) as place:
            worker = Answering(
                process=process, settings=settings, place=place, stop=stop
            )
            for component in observability.readiness.components.values():
                component.clock = worker.clock
            yield worker


@pytest.fixture
async def worker(settings: Settings) -> AsyncIterator[Answering]:
    async with answering(settings, ANYWHERE) as worker:
        yield worker


@pytest.fixture
def taken() -> Iterator[str]:
    """An address that another process has."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


async def test_a_worker_that_has_all_it_needs_is_ready(worker: Answering) -> None:
    assert await worker.ready() == (200, dict.fromkeys(PARTS, "ready"))


async def test_a_worker_whose_vault_is_sealed_says_so_until_it_opens(
    worker: Answering,
) -> None:
    key = worker.settings.key_path
    hidden = key.rename(key.with_name("hidden"))
    worker.process.catalog.guard.vault.keyring._unwrapped.clear()  # as after minutes

    status, parts = await worker.ready()
    hidden.rename(key)
    again, _ = await worker.ready()

    assert status == 503
    assert isinstance(parts, dict)
    assert str(key) in parts.pop("vault")
    assert set(parts.values()) == {"ready"}
    assert again == 200


async def test_a_worker_that_has_not_seen_its_definitions_is_not_ready(
    settings: Settings,
) -> None:
    async with answering(settings, ANYWHERE, reads=False) as worker:
        answered = await worker.ready()

    why = "the definitions were not read yet"
    assert answered == (503, all_but("definitions", why))


async def test_a_worker_whose_queue_does_not_answer_is_not_ready(
    worker: Answering,
) -> None:
    async def unavailable() -> None:
        raise Unavailable("no broker answers at kafka-1:9092")

    worker.process.observability.readiness.components["queue"].check = unavailable

    answered = await worker.ready()
    scraped = await worker.ask("/metrics")

    assert answered == (503, all_but("queue", "no broker answers at kafka-1:9092"))
    assert b'keyrelay_part_ready{part="queue"} 0.0' in scraped.body


async def test_a_worker_that_stops_is_not_ready_and_alive_still(
    worker: Answering,
) -> None:
    worker.stop.set()

    status, parts = await worker.ready()
    alive = await worker.ask("/healthz")

    assert status == 503
    assert isinstance(parts, dict)
    assert parts["worker"].startswith("it stops")
    assert (alive.status, alive.document) == (200, {"alive": True})


async def test_a_worker_is_alive_whatever_does_not_answer(worker: Answering) -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    for component in worker.process.observability.readiness.components.values():
        component.check = hang

    assert (await worker.ready())[0] == 503
    assert (await worker.ask("/healthz")).status == 200


async def test_closing_the_probes_cancels_the_checks_under_way(
    settings: Settings,
) -> None:
    asked, left = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()

    async with answering(settings, ANYWHERE) as worker:
        worker.process.observability.readiness.components["queue"].check = hang
        await worker.ready()

    assert asked.is_set()
    assert left.is_set()


async def test_metrics_are_what_prometheus_reads(worker: Answering) -> None:
    answer = await worker.ask("/metrics")

    families = {
        family.name: family
        for family in text_string_to_metric_families(answer.body.decode())
    }
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert families["keyrelay_lanes"].samples[0].value == 2
    assert families["keyrelay_lag"].samples[0].labels == {"topic": "queue"}


async def test_openmetrics_and_gzip_are_given_on_request(worker: Answering) -> None:
    accept = "application/openmetrics-text; version=1.0.0"
    headers = {"Accept": accept, "Accept-Encoding": "gzip"}

    answer = await worker.ask("/metrics", headers=headers)

    text = gzip.decompress(answer.body).decode()
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    assert "# TYPE keyrelay_attempts counter" in text
    assert text.endswith("# EOF\n")


async def test_a_scrape_may_name_what_it_wants(worker: Answering) -> None:
    answer = await worker.ask("/metrics?name[]=keyrelay_lag")

    assert answer.body.splitlines()[-1] == b'keyrelay_lag{topic="queue"} 0.0'
    assert len(answer.body.splitlines()) == 3


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz"])
async def test_a_head_is_answered_as_its_get_without_a_body(
    worker: Answering, path: str
) -> None:
    answer = await worker.ask(path, "HEAD")

    assert answer.status == 200
    assert int(answer.headers["Content-Length"]) > 0
    assert answer.body == b""


@pytest.mark.parametrize("path", ["/", "/metrics/", "/metrics/x", "/favicon.ico"])
async def test_nothing_else_is_served(worker: Answering, path: str) -> None:
    answer = await worker.ask(path)

    assert answer.status == 404
    assert set(answer.document) == {"error"}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
async def test_only_what_reads_is_answered(worker: Answering, method: str) -> None:
    answer = await worker.ask("/readyz", method)

    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD"
    assert set(answer.document) == {"error"}


async def test_no_answer_tells_the_versions_of_the_server(worker: Answering) -> None:
    for path in ("/metrics", "/healthz", "/readyz", "/"):
        answer = await worker.ask(path)

        assert answer.headers["Server"] == "keyrelay"
        assert answer.headers["Cache-Control"] == "no-store"


async def test_probes_are_not_logged(
    worker: Answering, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "aiohttp")

    with capture_logs() as logged:
        await worker.ask("/readyz")

    assert logged == []
    assert caplog.text == ""


async def test_probes_are_answered_over_ipv6(settings: Settings) -> None:
    async with answering(settings, "[::1]:0") as worker:
        answer = await worker.ask("/healthz")

    assert worker.place.startswith("[::1]:")
    assert answer.status == 200


async def test_probes_that_are_off_listen_nowhere(settings: Settings) -> None:
    async with answering(settings, OFF) as worker:
        assert worker.place == OFF


async def test_a_chosen_address_that_is_taken_ends_the_start(
    settings: Settings, taken: str
) -> None:
    with pytest.raises(Unavailable, match=rf"{taken}: it is taken; .*KEYRELAY_PROBES"):
        async with answering(settings, taken):
            pass


@pytest.mark.parametrize("address", ["192.0.2.1:9464", "nowhere.invalid:9464"])
async def test_a_chosen_address_that_is_not_ours_ends_the_start(
    settings: Settings, address: str
) -> None:
    with pytest.raises(Unavailable, match=f"cannot be served at {address}: "):
        async with answering(settings, address):
            pass


async def test_the_default_address_may_be_taken(settings: Settings, taken: str) -> None:
    with capture_logs() as logged:
        async with answering(settings, taken, chosen=False) as worker:
            assert worker.place == OFF

    assert [line["event"] for line in logged] == ["probes are off"]
    assert "KEYRELAY_PROBES" in logged[0]["reason"]


async def test_the_address_is_free_again_afterwards(settings: Settings) -> None:
    async with answering(settings, ANYWHERE) as worker:
        await worker.ask("/healthz")
        place = worker.place

    async with answering(settings, place) as worker:
        assert (await worker.ask("/healthz")).status == 200
