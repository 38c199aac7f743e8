"""Steps: the whole demo, from an empty directory to nothing lost."""

import asyncio
import json
import os
import signal
from asyncio.subprocess import Process
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keyrelay.demo import checks, definitions
from keyrelay.demo.checks import Results
from keyrelay.demo.definitions import ALARM, IDS, NEWSLETTER
from keyrelay.demo.output import Output
from keyrelay.demo.receivers import DEPARTED, Catcher, Login, catching, serving
from keyrelay.demo.shell import LOG, Shell
from keyrelay.dispatchers.script.interpreter import python
from keyrelay.dispatchers.script.wall import NoWall, find_wall

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
    output.say("A mail catcher plays the provider, moto plays SQS, on this machine.")
    output.say(
        "All else is real: each command is run as you would, with these settings:"
    )
    output.command(f"cd {directory}")
    catcher, ca_file = Catcher(), directory / "catcher-ca.pem"
    theirs = {k: v for k, v in os.environ.items() if not k.startswith("KEYRELAY_")}
    async with asyncio.timeout(_LONGEST), catching(catcher, ca_file) as mail:
        with serving() as (queue, pallets):
            variables = theirs | _settings(output, mail, pallets)
            shell = Shell(output=output, directory=directory, environment=variables)
            demo = Demo(output=output, shell=shell, catcher=catcher, queue=queue)
            await publish(demo, mail, pallets)
            await work_and_kill(demo)
            await show_refusals(demo, await show_results(demo))
            await run_a_script(demo)
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
        "KEYRELAY_ANALYSES": "hosted",
    }
    for name, value in settings.items():
        output.command(f"export {name}={value}")
    return settings


async def publish(demo: Demo, mail: Login, pallets: Login) -> None:
    """Make everything that triggers need, and publish a hundred of them."""
    output, shell = demo.output, demo.shell
    output.section("Secrets, actions, policies")
    await shell.run("init --no-token")
    output.say("Two secrets, from standard input. No command reads their values back:")
    line = "secret create --value-file - --tag team=cold-chain --key mail"
    (mail_id,) = await shell.run(line, given=json.dumps(mail))
    line = "secret create --value-file - --tag site=rotterdam --key pallets"
    (queue_id,) = await shell.run(line, given=json.dumps(pallets))
    output.say("Four actions. Each names the secret it needs, and has tags:")
    ids = {}
    for name, text in definitions.actions(mail_id, queue_id, DEPARTED).items():
        shell.write(f"{name}.json", text, shown=5 if name == ALARM else 0)
        (ids[name],) = await shell.run(f"action create --file {name}.json")
    output.say("Two policies, by tags. Neither speaks of marketing's newsletter:")
    for file, text in definitions.policies().items():
        shell.write(file, text, shown=4)
        await shell.run(f"policy create --file {file}")
    output.section("A hundred triggers")
    output.say("One JSON object a line, for all four actions in a mixture:")
    lines = [definitions.trigger(number, ids) for number in range(1, 101)]
    shell.write("triggers.jsonl", "\n".join(lines), shown=2)
    output.say("An id is printed once its trigger would survive a power cut:")
    accepted = await shell.run("trigger publish --file triggers.jsonl", shown=3)
    output.check(checks.all_accepted(accepted))


async def work_and_kill(demo: Demo) -> None:
    output, shell = demo.output, demo.shell
    output.section("A worker, killed in the middle")
    output.say("A worker works until it is stopped. This one is not; it is killed.")
    async with shell.worker("worker") as worker:
        await _watch(demo, worker, enough=_KILL_AFTER)
        output.command(f"kill -9 {worker.pid}")
        if worker.returncode is None:
            worker.kill()
        code = await worker.wait()
    output.check(checks.killed(code, *demo.arrived()))
    output.say("What it had on lease goes back to the queue. Another one takes over:")
    empty = checks.queue_is_empty("")
    for _ in range(_MOST_DRAINS):
        async with shell.worker("worker --drain") as worker:
            await _watch(demo, worker)
            await worker.wait()
        said = (shell.directory / LOG).read_text("utf-8").rstrip().rpartition("\n")[2]
        output.lines([said])
        if (empty := checks.queue_is_empty(said)).holds:
            break
    output.check(empty)


async def _watch(demo: Demo, worker: Process, enough: int = len(IDS)) -> None:
    """Show what arrives, until it is enough or the worker has ended."""
    arrived = due = 0
    while arrived < enough and worker.returncode is None:
        arrived = sum(counts := demo.arrived())
        if arrived >= due:
            demo.output.lines(["{} mails, {} messages".format(*counts)])
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


async def run_a_script(demo: Demo) -> None:
    output, shell = demo.output, demo.shell
    output.section("A script, behind a wall")
    try:
        find_wall(python(), launcher=python())
    except NoWall as fact:
        output.say(f"No script is run on this machine: {fact}.")
        return
    output.say(
        "The first policy is for scripts, too. This one prints what it is given:"
    )
    shell.write("watch.py", definitions.SCRIPT, shown=2)
    await shell.run("analysis create --file -", given=definitions.ANALYSIS)
    await shell.run("analysis upload watch watch.py")
    async with shell.worker("worker"):
        printed = await shell.run("analysis run watch --follow")
    output.check(checks.secret_is_masked(printed))


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
