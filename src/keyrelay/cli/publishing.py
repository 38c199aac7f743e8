"""Publishing: what `keyrelay trigger publish` reads and prints."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

import typer

from keyrelay.cli.jsonl import read_chunks
from keyrelay.cli.output import put, say
from keyrelay.cli.progress import is_progress_seen, progress
from keyrelay.cli.refusals import Refused, WrongUsage
from keyrelay.cli.session import Session, perform
from keyrelay.cli.trigger_options import PointOptions, TriggerOptions, trigger_document
from keyrelay.model.trigger import Origin, Trigger
from keyrelay.ports import Inbox
from keyrelay.services.publishing import (
    Accepted,
    NotAccepted,
    Published,
    Publishing,
    ReadTrigger,
)
from keyrelay.sources.cutting import Lines, cut


@dataclass(slots=True, kw_only=True)
class PublishReport:
    """Prints each answer and counts it; as text, the report is the counts."""

    as_json: bool
    accepted: int = 0
    known: int = 0
    refused: int = 0

    def tell(self, line: int, answer: Published) -> None:
        match answer:
            case NotAccepted(reason):
                self.refused += 1
                say(f"line {line}: {reason}")
            case Accepted(id=id_, known=known):
                self.known += known
                self.accepted += not known
                told = {"line": line, "id": id_, "known": known}
                put(json.dumps(told) if self.as_json else id_)
            case _:
                assert_never(answer)

    def __str__(self) -> str:
        return (
            f"accepted {self.accepted}, known already {self.known},"
            f" refused {self.refused}"
        )


def publish_one(
    ctx: typer.Context, options: TriggerOptions, points: PointOptions, *, as_json: bool
) -> None:
    async def work(session: Session) -> None:
        action = await session.action_id(options.action)
        if action is None:
            raise WrongUsage("give --action and what was measured, or --file")
        document = trigger_document(options, action, points, session.world.now())
        async with session.inbox() as queue:
            answer = await _publishing(session, queue).publish(document)
        if isinstance(answer, NotAccepted):
            raise Refused(answer.reason)
        PublishReport(as_json=as_json).tell(1, answer)
        if answer.known:
            say("it was known already, and is not performed again")

    perform(ctx, work)


def publish_file(ctx: typer.Context, file: str, *, as_json: bool) -> None:
    report = PublishReport(as_json=as_json)
    with _opened(file) as descriptor:

        async def work(session: Session) -> None:
            async with session.inbox() as queue:
                await _publish_lines(_publishing(session, queue), descriptor, report)

        perform(ctx, work)
    if report.refused:
        raise Refused("some lines were refused; they are named above")


async def _publish_lines(
    publishing: Publishing, descriptor: int, report: PublishReport
) -> None:
    lines = cut(read_chunks(descriptor), Lines())
    try:
        async with progress(lambda: str(report), shown=is_progress_seen(answers=True)):
            await publishing.publish_all(lines, report.tell)
    finally:
        # Also after a failure: what is counted is durable.
        say(str(report))


def _publishing(session: Session, inbox: Inbox) -> Publishing:
    world = session.world
    profile = session.profile.id

    def reading(at: datetime) -> ReadTrigger:
        origin = Origin(profile=profile, now=lambda: at, new_id=world.new_id)
        return lambda _, raw: Trigger.parse(raw, origin)

    return Publishing(inbox=inbox, reading=reading, now=world.now)


@contextmanager
def _opened(file: str) -> Iterator[int]:
    if file == "-":
        yield sys.stdin.fileno()
        return
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}") from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)
