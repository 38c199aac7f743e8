"""Listeners: 500 of one API process are handed runs, by `-m tests.bench.listeners`.

Times are from when a run was answered until its listener has it, in this process.
"""

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.installed.api import Api, answering, token_of
from tests.installed.external import ALLOW, External, new_analysis, new_secret
from tests.installed.home import Home

PROFILES, ANALYSES, LISTENERS = 2, 5, 50  # of each; one of an analysis has all its runs
_SINGLE, _BURST = 200, 2000  # runs
_OF_AN_ADDRESS = 150  # connections; the border takes 200


@dataclass(slots=True)
class Heard:
    """When each run was handed over, by its id."""

    at: dict[str, float] = field(default_factory=dict)
    more: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(
        self, api: Api, analysis: External, number: int, opened: asyncio.Semaphore
    ) -> None:
        url = httpx.URL(api.url)
        here = (f"127.0.0.{2 + number // _OF_AN_ADDRESS}", 0)
        reader, writer = await asyncio.open_connection(
            url.host, url.port, local_addr=here
        )
        query = f"channels=analysis_trigger&token={analysis.token}"
        writer.write(f"GET /events?{query} HTTP/1.1\r\nHost: api\r\n\r\n".encode())
        await reader.readuntil(b": events follow\n\n")
        opened.release()
        while line := await reader.readline():
            if line.startswith(b"data: "):
                payload = json.loads(line.removeprefix(b"data: "))["payload"]
                self.at[payload["run_id"]] = time.perf_counter()
                self.more.set()

    async def wait(self, runs: Sequence[str]) -> None:
        while not {*runs} <= self.at.keys():
            self.more.clear()
            await self.more.wait()


@dataclass(frozen=True, slots=True)
class Asking:
    """Asks for runs of one analysis after the other, as each profile may."""

    client: httpx.AsyncClient
    analyses: Sequence[tuple[Api, External]]

    async def ask(self, number: int) -> tuple[str, float]:
        api, analysis = self.analyses[number % len(self.analyses)]
        answer = await self.client.post(
            f"{api.url}/analysis/{analysis.id}/run",
            json={"scope": [{"variable": "n", "value": number}]},
            headers={"token": str(api.token)},
        )
        return answer.json()["result"]["run"], time.perf_counter()


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="keyrelay-bench-") as folder:
        home = Home(path=Path(folder) / "home")
        home.run("init", "--no-token")
        tokens = []
        for number in range(PROFILES):
            home.run("profile", "create", f"profile-{number}")
            there = home.under({"KEYRELAY_PROFILE": f"profile-{number}"})
            tokens.append(token_of(there, "full"))
        with answering(home) as running:
            asyncio.run(_measure([running.with_token(each) for each in tokens]))


async def _measure(apis: Sequence[Api]) -> None:
    analyses = [
        (api, new_analysis(api, f"analysis-{number}"))
        for api in apis
        for number in range(ANALYSES)
    ]
    for api in apis:
        new_secret(api, "key", "hunter2 is no password")
        api.ask("POST", "/am", ALLOW)
    process = apis[0].command.process.pid
    before, heard, opened = _memory(process), Heard(), asyncio.Semaphore(0)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(
            httpx.AsyncClient(trust_env=False, timeout=60)
        )
        listeners = [
            asyncio.create_task(heard.listen(*each, number, opened))
            for number, each in enumerate(analyses * LISTENERS)
        ]
        for _ in listeners:
            await opened.acquire()
        idle = _memory(process)
        print(
            f"{len(listeners)} listeners: {idle - before:.0f} MB more than the"
            f" {before:.0f} MB of none"
        )
        asking = Asking(client, analyses)
        await _one_by_one(asking, heard)
        await _all_at_once(asking, heard)
        print(f"memory at the end: {_memory(process):.0f} MB")
        for listener in listeners:
            listener.cancel()


async def _one_by_one(asking: Asking, heard: Heard) -> None:
    waits = list[float]()
    for number in range(_SINGLE):
        run, answered = await asking.ask(number)
        await heard.wait([run])
        waits.append(max(0.0, heard.at[run] - answered))
    print(f"{_SINGLE} runs, one by one: handed over after {_shown(waits)}")


async def _all_at_once(asking: Asking, heard: Heard) -> None:
    begun, turns = time.perf_counter(), asyncio.Semaphore(20)

    async def ask(number: int) -> tuple[str, float]:
        async with turns:
            return await asking.ask(number)

    asked = await asyncio.gather(*map(ask, range(_BURST)))
    took = time.perf_counter() - begun
    await heard.wait([run for run, _ in asked])
    all_ = time.perf_counter() - begun
    waits = [max(0.0, heard.at[run] - answered) for run, answered in asked]
    print(
        f"{_BURST} runs at once: asked in {took:.1f} s, handed over in {all_:.1f} s"
        f" ({_BURST / all_:.0f}/s), each after {_shown(waits)}"
    )


def _memory(process: int) -> float:
    """Return what a process holds, in MB."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    line = next(each for each in lines if each.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def _shown(waits: list[float]) -> str:
    slow = statistics.quantiles(waits, n=100)[-1]
    middle = statistics.median(waits)
    return f"p50 {middle * 1000:.0f} ms, p99 {slow * 1000:.0f} ms"


if __name__ == "__main__":
    main()
