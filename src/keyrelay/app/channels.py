"""Channels: the list of all ways to act, one line for each."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from keyrelay.app.settings import Settings
from keyrelay.dispatchers.channel import Channel
from keyrelay.dispatchers.script.channel import script_channel
from keyrelay.dispatchers.smtp.channel import smtp_channel
from keyrelay.dispatchers.sqs.channel import sqs_channel
from keyrelay.model.action_document import ActionRules
from keyrelay.model.credentials import TEXT, SecretRules
from keyrelay.ports import Dispatcher
from keyrelay.services.scheduling.due_times import check_times

Dispatchers = Mapping[str, Dispatcher]  # by the channel that each performs

CHANNELS: tuple[Callable[[Settings], Channel], ...] = (
    smtp_channel,
    sqs_channel,
    script_channel,
)


def channels(settings: Settings) -> Mapping[str, Channel]:
    """Return each channel by the name of its action type."""
    made = [make(settings) for make in CHANNELS]
    return {channel.action.name: channel for channel in made}


def action_rules(settings: Settings) -> ActionRules:
    """Return the rules by which action documents are parsed."""
    found = channels(settings).items()
    types = {name: channel.action for name, channel in found}
    return ActionRules(types, check_times)


def secret_rules(settings: Settings) -> SecretRules:
    """Return the rules by which secrets are parsed: text, and each channel's type."""
    needed = [channel.action.secret for channel in channels(settings).values()]
    return SecretRules(
        types={type_.name: type_ for type_ in (TEXT, *needed) if type_ is not None},
        tags_required=settings.secret_tags == "required",  # noqa: S105 - no password
    )


@asynccontextmanager
async def open_dispatchers(settings: Settings) -> AsyncIterator[Dispatchers]:
    """Open the dispatcher of each channel that has one."""
    async with AsyncExitStack() as opened:
        yield {
            name: await opened.enter_async_context(channel.open())
            for name, channel in channels(settings).items()
            if channel.open is not None
        }
