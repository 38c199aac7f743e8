"""The channel `script`: runs of the administrator's own analyses."""

from keyrelay.dispatchers.channel import Channel
from keyrelay.dispatchers.script.action import FIELDS, parse_script, preview_runs
from keyrelay.model.action import ActionType
from keyrelay.model.run_analyses import NAME


def script_channel(_: object) -> Channel:
    """Return the channel, which is the same with all settings."""
    return Channel(
        action=ActionType(
            name=NAME,
            secret=None,
            fields=FIELDS,
            parse=parse_script,
            preview=preview_runs,
        ),
        open=None,
    )
