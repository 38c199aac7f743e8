"""Runs: what a hosted run takes, from its request to its end, and its neighbours."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from tests.bench.measure import Measure, Stopwatch, Waits
from tests.bench.sheet import Sheet
from tests.faults.hosted import OVER, hosting_for, upload
from tests.faults.relay import Relay, to_mail
from tests.faults.witness import Witness, witnessing
from tests.installed.api import ANY_PORT, Api, answering, token_of
from tests.services.deadline import met
from tests.sinks.smtp import SmtpSink

_RUNS = 30
_WITHIN = timedelta(minutes=10)
_HELLO = "print('hello')"
_BUSY = """\
import socket
with socket.create_connection(("localhost", 8090)) as witness:
    witness.sendall(b"begun busy\\n")
    witness.recv(1)
while True:
    pass
"""
_BARE, _ALONE = "bare interpreter", "mails alone"


def sheets(
    folder: Path, sink: SmtpSink, ca_file: Path, triggers: int
) -> Iterator[Sheet]:
    with witnessing() as witness:
        settings = {"KEYRELAY_SCRIPT_SECONDS": "3600", **hosting_for(witness)}
        relay = to_mail(folder / "home", sink.address, ca_file, settings)
        hello, busy = (
            upload(relay.home, "hello", _HELLO),
            upload(relay.home, "b", _BUSY),
        )
        token = token_of(relay.home, "full")
        with answering(relay.home.under(ANY_PORT), "up") as served:
            api = served.with_token(token)
            yield Sheet(
                title="A run of one line of Python, one after the other",
                measures=[_bare(folder), *_hosted(api, hello)],
                against=_BARE,
                notes=["what a script imports would be in addition, in each of them"],
            )
            alone = _mails(relay, sink, api, triggers, _ALONE)
            _begin(api, witness, busy)
            beside = _mails(relay, sink, api, triggers, "mails beside 2 busy scripts")
    yield Sheet(
        title="Mails beside scripts that never rest, in one process",
        measures=[alone, beside],
        against=_ALONE,
        notes=["CPU is that of the process, without its scripts"],
    )


def _bare(folder: Path) -> Measure:
    script, waits = folder / "hello.py", list[timedelta]()
    script.write_text(_HELLO)
    stopwatch = Stopwatch(resource.RUSAGE_CHILDREN)
    for _ in range(_RUNS):
        one = Stopwatch()
        command = [os.path.realpath(sys.executable), str(script)]
        subprocess.run(command, capture_output=True, check=True, env={})
        waits.append(one.read("", 1).wall)
    return _measure(_BARE, waits, stopwatch.read("", 1).cpu)


def _hosted(api: Api, analysis: str) -> Iterator[Measure]:
    _ended(api, analysis)  # the first one finds nothing warm
    before = _cpu(api, children=True)
    runs = [_ended(api, analysis) for _ in range(_RUNS)]
    cpu = _cpu(api, children=True) - before
    yield _measure("hosted, its sandbox alone", [_sandboxed(run) for run in runs], cpu)
    waits = [_at(run, "ended_at") - _at(run, "asked_at") for run in runs]
    yield _measure("hosted, from its request to its end", waits, cpu)


def _ended(api: Api, analysis: str) -> Mapping[str, object]:
    """Run it once; return what is shown of the run once it is over."""
    id_ = api.ask("POST", f"/analysis/{analysis}/run", {}).field("run")
    found: dict[str, object] = {}

    def is_over() -> bool:
        result = api.get(f"/analysis/{analysis}/runs/{id_}").result
        assert isinstance(result, dict)
        found.update(result)
        return result["state"] in OVER

    assert met(is_over, _WITHIN)
    return found


def _sandboxed(run: Mapping[str, object]) -> timedelta:
    result = run["result"]
    assert isinstance(result, dict)
    return timedelta(seconds=result["duration"])


def _at(run: Mapping[str, object], name: str) -> datetime:
    return datetime.fromisoformat(str(run[name]))


def _begin(api: Api, witness: Witness, analysis: str) -> None:
    """Return once as many scripts as may run at once do, and never end."""
    for _ in range(2):
        api.ask("POST", f"/analysis/{analysis}/run", {})
    witness.await_count("begun", 2, _WITHIN)


def _mails(relay: Relay, sink: SmtpSink, api: Api, count: int, name: str) -> Measure:
    before, cpu = sink.ledger.count(), _cpu(api)
    prefix = name.replace(" ", "-")
    relay.publish([f"{prefix}-{number}" for number in range(count)])
    sink.ledger.await_count(before + count, _WITHIN)
    arrived = sink.ledger.entries()[before:]
    wall = timedelta(seconds=arrived[-1].at - arrived[0].at)
    return Measure(name=name, count=count, wall=wall, cpu=_cpu(api) - cpu)


def _measure(name: str, waits: list[timedelta], cpu: timedelta) -> Measure:
    ordered = sorted(waits)
    shown = Waits(median=ordered[len(ordered) // 2], most=ordered[-1])
    total = sum(waits, timedelta())
    return Measure(name=name, count=len(waits), wall=total, cpu=cpu, waits=shown)


def _cpu(api: Api, *, children: bool = False) -> timedelta:
    """See proc(5): fields 14 to 17, counted behind the name, which has blanks."""
    stat = Path(f"/proc/{api.command.process.pid}/stat").read_text()
    fields = stat.rpartition(")")[2].split()[11 : 15 if children else 13]
    ticks = sum(map(int, fields))
    return timedelta(seconds=ticks / os.sysconf("SC_CLK_TCK"))
