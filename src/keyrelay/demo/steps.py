"""Steps: the whole demo, from an empty directory to nothing lost."""

import asyncio
import json
import os
import signal
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keyrelay.demo import checks, definitions
from keyrelay.demo.checks import Results
from keyrelay.demo.definitions import ALARM, IDS, NEWSLETTER
from keyrelay.demo.output import Output
from keyrelay.demo.receivers import DEPARTED, Catcher, Login, catching, serving
from keyrelay.demo.shell import Shell

_LONGEST, _MOST_DRAINS = 480, 5  # seconds, as a busy machine needs; workers
_KILL_AFTER, _STEP = 40, 20  # arrivals, before the kill and between two lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """What all steps share."""

    output: Output
    shell: Shell
    catcher: Catcher
    queue: Any  # boto3 ships no types

    def arrived(self) -> tuple[int, int]:
        """Return how many mails and messages have arrived."""
        self.queue.load()
        messages = int(self.queue.attributes["ApproximateNumberOfMessages"])
        return len(self.catcher.mails), messages


async def run_steps(output: Output, directory: Path) -> None:
    """Run them all in an empty directory. Raises UnexpectedAnswer and TimeoutError."""
    loop, interrupt = asyncio.get_running_loop(), signal.SIGINT  # it cancels this
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, signal.raise_signal, interrupt)
    output.section("Keyrelay in a minute")
    output.say(
        "A mail catcher plays the mail provider, moto plays SQS, both on this machine."
        " All else is real: each command is run as you would, with these settings:"
    )
    output.command(f"cd {directory}")
    catcher, ca_file = Catcher(), directory / "catcher-ca.pem"
    theirs = {k: v for k, v in os.environ.items() if not k.startswith("KEYRELAY_")}
    async with asyncio.timeout(_LONGEST), catching(catcher, ca_file) as mail:
        with serving() as (queue, pallets):
            variables = theirs | _settings(output, mail, pallets)
            shell = Shell(output=output, directory=directory, environment=variables)
            demo = Demo(output=output, shell=shell, catcher=catcher, queue=queue)
            await publish(demo, await define(demo, mail, pallets))
            await kill_a_worker(demo)
            await finish_its_work(demo)
            results = await show_results(demo)
            await show_refusals(demo, results)
            keys = (pallets["access_key_id"], pallets["secret_access_key"])
            await show_records(demo, [str(it) for it in (mail["password"], *keys)])


def _settings(output: Output, mail: Login, pallets: Login) -> dict[str, str]:
    """Show and return those that are not as usual."""
    settings = {
        "KEYRELAY_HOME": "home",
        "KEYRELAY_SMTP_PORTS": str(mail["smtp_port"]),
        "KEYRELAY_SMTP_CA_FILE": "catcher-ca.pem",
        "KEYRELAY_EGRESS_ALLOW": "127.0.0.0/8",
        "KEYRELAY_SQS_ENDPOINTS": str(pallets["queue_url"]).rsplit("/", 2)[0],
        "KEYRELAY_LEASE_SECONDS": "1",
        "KEYRELAY_LANES": "4",
    }
    for name, value in settings.items():
        output.command(f"export {name}={value}")
    return settings


async def define(demo: Demo, mail: Login, pallets: Login) -> Mapping[str, str]:
    """Make everything that triggers need; return the actions' ids, by name."""
    output, shell = demo.output, demo.shell
    output.section("Secrets, actions, policies")
    await shell.run("init", "--no-token")
    output.say("Two secrets, from standard input. No command reads their values back:")
    line = "secret create --value-file - --tag team=cold-chain --key mail"
    (mail_id,) = await shell.run(line, given=json.dumps(mail))
    line = "secret create --value-file - --tag site=rotterdam --key pallets"
    (queue_id,) = await shell.run(line, given=json.dumps(pallets))
    output.say("Four actions. Each names the secret it needs, and has tags:")
    ids = {}
    for name, text in definitions.actions(mail_id, queue_id, DEPARTED).items():
        shell.write(f"{name}.json", text, shown=7 if name == ALARM else 0)
        (ids[name],) = await shell.run(f"action create --file {name}.json")
    output.say("Two policies, by tags. Neither speaks of marketing's newsletter:")
    for file, text in definitions.policies().items():
        shell.write(file, text, shown=4)
        await shell.run(f"policy create --file {file}")
    return ids


async def publish(demo: Demo, actions: Mapping[str, str]) -> None:
    output = demo.output
    output.section("A hundred triggers")
    output.say("One JSON object a line, for all four actions in a mixture:")
    lines = [definitions.trigger(number, actions) for number in range(1, 101)]
    demo.shell.write("triggers.jsonl", "\n".join(lines), shown=2)
    output.say("An id is printed once its trigger would survive a power cut:")
    accepted = await demo.shell.run("trigger publish --file triggers.jsonl", shown=3)
    output.check(checks.all_accepted(accepted))


async def kill_a_worker(demo: Demo) -> None:
    output, log = demo.output, demo.shell.directory / "worker.log"
    output.section("A worker, killed in the middle")
    output.say("A worker works until it is stopped. This one is not; it is killed.")
    async with demo.shell.worker("worker", log) as worker:
        await _watch(demo, worker, enough=_KILL_AFTER)
        output.command(f"kill -9 {worker.pid}")
        if worker.returncode is None:
            worker.kill()
        code = await worker.wait()
    output.check(checks.killed(code, *demo.arrived()))


async def finish_its_work(demo: Demo) -> None:
    output, log = demo.output, demo.shell.directory / "worker-drain.log"
    output.say("What it had on lease goes back to the queue. Another one takes over:")
    empty, drains = checks.queue_is_empty(""), 0
    while not empty.holds and drains < _MOST_DRAINS:
        async with demo.shell.worker("worker --drain", log) as worker:
            await _watch(demo, worker)
            await worker.wait()
        said = log.read_text(encoding="utf-8").rstrip().rpartition("\n")[2]
        output.lines([said])
        empty, drains = checks.queue_is_empty(said), drains + 1
    output.check(empty)


async def _watch(demo: Demo, worker: Process, enough: int = len(IDS)) -> None:
    """Show what arrives, until it is enough or the worker has ended."""
    arrived = due = 0
    while arrived < enough and worker.returncode is None:
        mails, messages = demo.arrived()
        arrived = mails + messages
        if arrived >= due:
            demo.output.lines([f"{mails} mails, {messages} messages"])
            due = arrived - arrived % _STEP + _STEP
        await asyncio.sleep(0.1)


async def show_results(demo: Demo) -> Results:
    output, run, mails = demo.output, demo.shell.run, demo.catcher.mails
    output.section("Nothing is lost")
    bodies = list[str]()
    while received := demo.queue.receive_messages(MaxNumberOfMessages=10):
        bodies += [message.body for message in received]
    letters = json.loads("".join(await run("dead-letter list --json", shown=0)))
    attempts = json.loads("".join(await run("attempt list --json", shown=0)))
    results = Results(
        mailed=checks.mailed(mails),
        queued=checks.queued(bodies),
        buried={letter["trigger"]: letter["reason"] for letter in letters},
        repeated={each["trigger"] for each in attempts if each.get("repeats")},
    )
    output.say(f"The first of {len(mails)} mails, as it was caught:")
    for mail in mails[:1]:
        output.lines(f"{name}: {value}" for name, value in mail.items())
        output.lines(["", *mail.get_content().splitlines()])
    output.say(f"The first two of {len(bodies)} messages, as they were received:")
    output.lines(bodies[:2])
    output.check(checks.repeats_are_recorded(results))
    output.check(checks.nothing_is_lost(results))
    return results


async def show_refusals(demo: Demo, results: Results) -> None:
    output, run = demo.output, demo.shell.run
    output.section("What did not arrive, and why")
    output.say("No policy lets the newsletter use the mail server. Which comes near?")
    explain = f"policy explain --action {NEWSLETTER} --secret mail"
    output.check(checks.denial_is_explained(await run(explain, codes=(0, 1))))
    output.say("What cannot be delivered is kept, to be looked at and redriven:")
    for id_ in results.buried_for("550 ")[:1]:
        await run(f"dead-letter show {id_}", shown=5)
    output.check(checks.dead_letters_have_reasons(results))


async def show_records(demo: Demo, secrets: Sequence[str]) -> None:
    output, shell = demo.output, demo.shell
    output.section("The audit trail")
    output.say("Each attempt and change left a record. Has any been altered since?")
    answer = await shell.run("audit verify", codes=(0, 4))
    output.check(checks.trail_is_whole(answer, attempts=len(IDS)))
    output.say("Does a password or key stand in any file, or in what was printed?")
    places = (shell.directory, shell.printed)
    found, known = (checks.places_of(each, *places) for each in (secrets, IDS[:1]))
    output.check(checks.no_secret_is_found(found, known))
