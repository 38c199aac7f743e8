"""Runs that are lost to another worker: their scripts end, and nothing says how."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

from keyrelay.concurrency.background import background
from keyrelay.dispatchers.script.hosting import HostedStage, Hosts
from keyrelay.dispatchers.script.interpreter import Language
from keyrelay.model.run import RunOrder, RunState
from keyrelay.model.secret import SecretValue
from keyrelay.model.settlement import Done
from keyrelay.model.uploaded_script import Runtime, ScriptDraft, ScriptVersion
from keyrelay.stores.definitions.scripts import read_script
from keyrelay.stores.definitions.stored_document import id_of
from keyrelay.stores.runs.queue import RunQueue
from tests.contract.script.hosting import ROOMY, Site, processes_of
from tests.contract.script.test_hosted_stage import a_token
from tests.contract.stores.house import ADA, House
from tests.contract.stores.run_working import worker_of
from tests.contract.stores.test_runs import (
    ORDER,
    kill,
    leased,
    queue_of,
    records_of,
    renew,
)
from tests.samples import PROFILE

pytest_plugins = ["tests.contract.script.script_fixtures"]

PATIENT = timedelta(minutes=1)
NEVER_ENDS = b"""\
import time
print("begun")
time.sleep(99)
"""


@dataclass
class Console:
    """Takes the lines of the one run, and tells when its script has begun."""

    lines: list[str] = field(default_factory=list)
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, line: str) -> None:
        self.lines.append(line)
        self.begun.set()

    @property
    def last_lines(self) -> Sequence[str]:
        return self.lines

    @asynccontextmanager
    async def open(
        self, _: RunOrder, __: Sequence[SecretValue]
    ) -> AsyncIterator["Console"]:
        yield self


async def order_of(house: House, file_name: str) -> RunOrder:
    """Keep a run of an analysis whose script never ends."""
    draft = ScriptDraft(
        file_name=file_name, language=Runtime.PYTHON, content=NEVER_ENDS
    )
    stored = await house.analyses.documents.create(PROFILE, {"name": "rooms"}, ADA)
    await house.analyses.upload(PROFILE, id_of(stored), draft, ADA)
    await house.catalog.refresh()
    order = replace(ORDER, analysis=id_of(stored))
    await records_of(house).keep(order)
    return order


def stage_of(
    house: House, queue: RunQueue, site: Site, console: Console
) -> HostedStage:
    async def content(analysis: str, version: ScriptVersion) -> bytes | None:
        async with house.database.reading() as connection:
            return await read_script(connection, analysis, version)

    return HostedStage(
        hosts=Hosts(
            interpreters={Language.PYTHON: site.interpreter},
            hosts={Language.PYTHON: site.host()},
            refusals={},
            limits=ROOMY,
            api="http://localhost:8090",
        ),
        content=content,
        token=a_token,
        console=console.open,
        note=queue.note,
        until_lost=queue.until_lost,
    )


async def test_a_script_whose_run_is_lost_is_gone_at_once_and_nothing_says_how_it_ended(
    house: House, neighbour: House, site: Site
) -> None:
    marker = f"lost-{secrets.token_hex(8)}"
    order = await order_of(house, f"{marker}.py")
    queue, stop, console = queue_of(house), asyncio.Event(), Console()
    stage = stage_of(house, queue, site, console)
    working = worker_of(house, queue, stage).run(stop, PATIENT)
    async with queue.renewed(), background(working) as ended:
        await console.begun.wait()
        before = processes_of(marker)
        await kill(house)
        theirs = await leased(queue_of(neighbour))
        stop.set()
        await renew(queue, house.clock)
        await ended

    assert before
    assert processes_of(marker) == []
    assert console.lines[-1].startswith("The script was killed: this worker has lost")
    records = "SELECT id FROM audit_records WHERE kind = 'attempt'"
    assert await house.look(records) == []
    run = await records_of(house).get(PROFILE, order.id)
    assert (run.state, run.result) == (RunState.RUNNING, None)
    assert (theirs.number, theirs.repeats) == (2, True)
    assert await theirs.still_held()
    await theirs.settle(Done())
    assert (await records_of(house).get(PROFILE, order.id)).state is RunState.DONE
