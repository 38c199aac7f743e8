"""Preparing: the scenes in which secrets, actions, policies and triggers are made."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from keyrelay.demo import cast
from keyrelay.demo.cast import NUMBERS, Document, Role, SecretPart, expected
from keyrelay.demo.play import Play
from keyrelay.demo.shell import Call


async def define(
    play: Play, mail_server: SecretPart, pallets: SecretPart
) -> Mapping[Role, str]:
    """Make everything that triggers need; return the actions' ids."""
    stage, shell = play.stage, play.shell
    stage.scene("Secrets, actions, policies")
    await shell.run(Call(words=["init"]))
    stage.say(
        "Two secrets. Their values come from standard input, never from an argument,"
        f" and no command reads them back. One is {', '.join(mail_server.value)}; the"
        f" other is {', '.join(pallets.value)}. What is printed are their ids."
    )
    (mail,), (queue,) = await shell.run(_sealing(mail_server), _sealing(pallets))
    stage.say("Four actions. Each names the secret it needs, and has tags:")
    documents = cast.actions(mail, queue)
    for its, document in documents.items():
        _write(play, f"{its}.json", document)
    _print_file(play, f"{Role.ALARM}.json")
    made = await shell.run(*(_creating("action", its) for its in documents))
    stage.say(
        "Two policies, by tags: a team's actions may use its mail server, and each site"
        " uses its own queue. Neither speaks of marketing's newsletter:"
    )
    for name, policy in cast.POLICIES.items():
        _write(play, f"{name}.json", policy)
        _print_file(play, f"{name}.json")
    await shell.run(*(_creating("policy", name) for name in cast.POLICIES))
    return dict(zip(documents, (id_ for (id_,) in made), strict=True))


async def publish(play: Play, actions: Mapping[Role, str]) -> None:
    stage = play.stage
    stage.scene("A hundred triggers")
    start = datetime.now(UTC).replace(microsecond=0)
    file = "triggers.jsonl"
    _write(play, file, *(cast.trigger(number, actions, start) for number in NUMBERS))
    stage.say("One JSON object a line, for all four actions in a mixture:")
    _print_file(play, file, 2)
    stage.say("An id is printed once its trigger would survive a power cut:")
    call = Call(words=["trigger", "publish", "--file", file], most=3)
    (accepted,) = await play.shell.run(call)
    parts = (f"{expected(its)} {what}" for its, what in cast.WHAT.items())
    stage.check(
        f"{len(accepted)} accepted: {', '.join(parts)}",
        holds=sorted(accepted) == [cast.trigger_id(number) for number in NUMBERS],
    )


def _sealing(secret: SecretPart) -> Call:
    named = ["--key", secret.key, "--tag", secret.tag]
    return Call(
        words=["secret", "create", *named, "--value-file", "-"],
        given=json.dumps(secret.value).encode(),
    )


def _creating(noun: str, name: str) -> Call:
    return Call(words=[noun, "create", "--file", f"{name}.json"])


def _write(play: Play, file: str, *documents: Document) -> None:
    lines = (json.dumps(document, ensure_ascii=False) for document in documents)
    text = "".join(f"{line}\n" for line in lines)
    (play.shell.directory / file).write_text(text, encoding="utf-8")


def _print_file(play: Play, file: str, most: int = 1) -> None:
    lines = (play.shell.directory / file).read_text(encoding="utf-8").splitlines()
    play.stage.command(["cat", file] if len(lines) == 1 else ["head", f"-{most}", file])
    play.stage.output(lines[:most])
