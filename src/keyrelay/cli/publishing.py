"""Publishing: triggers into the queue, each said once it is durable."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from keyrelay.cli.names import action_called
from keyrelay.cli.output import say
from keyrelay.cli.points import PointOptions, TriggerHead, trigger_document
from keyrelay.cli.progress import progress
from keyrelay.cli.publisher import PublishCount, Publisher
from keyrelay.cli.refusals import Refused, WrongUsage
from keyrelay.cli.session import Session, perform
from keyrelay.model.trigger import Origin
from keyrelay.ports import Inbox


def publish_one(
    ctx: typer.Context, head: TriggerHead, reading: PointOptions, *, as_json: bool
) -> None:
    async def work(session: Session) -> None:
        now = session.store.audit_log.world.now()
        action = await action_called(session, head.action)
        if action is None:
            raise WrongUsage("give --action and what was measured, or --file")
        raw = trigger_document(head, action, reading, now)
        async with session.queue() as queue:
            publisher = _publisher(session, queue, as_json=as_json)
            published = await publisher.publish(1, raw)
        if published.refusal is not None:
            raise Refused(published.refusal)
        publisher.report(published)
        if published.known:
            say("it was known already, and is not performed again")

    perform(ctx, work)


def publish_file(ctx: typer.Context, file: str, *, as_json: bool) -> None:
    with _opened(file) as descriptor:

        async def work(session: Session) -> PublishCount:
            async with session.queue() as queue:
                publisher = _publisher(session, queue, as_json=as_json)
                await _publish_lines(publisher, descriptor)
            return publisher.count

        count = perform(ctx, work)
    if count.refused:
        raise Refused("some lines are no triggers; they are named above")


async def _publish_lines(publisher: Publisher, descriptor: int) -> None:
    count = publisher.count
    # Beside ids at the same terminal it would be in their way.
    shown = sys.stderr.isatty() and not sys.stdout.isatty()
    try:
        async with progress(lambda: str(count), shown=shown):
            await publisher.publish_lines(descriptor)
    finally:
        # Also when it was cut short: these are safe, whatever comes of the rest.
        say(str(count))


def _publisher(session: Session, inbox: Inbox, *, as_json: bool) -> Publisher:
    world = session.store.audit_log.world
    origin = Origin(profile=session.profile.id, now=world.now, new_id=world.new_id)
    return Publisher(inbox=inbox, origin=origin, as_json=as_json)


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
