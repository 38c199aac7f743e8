"""Findings: what is left of a hundred triggers, collected where it arrived."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keyrelay.demo.cast import NUMBERS, trigger_id
from keyrelay.demo.ledger import Ledger, mailed, queued
from keyrelay.demo.play import Play


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """`bodies` are the messages received, `buried_for` the dead letters' reasons,
    `repeats` the records that say that an earlier attempt was cut short, each by
    its trigger."""

    ledger: Ledger
    bodies: Sequence[str]
    buried_for: Mapping[str, str]
    repeats: Mapping[str, str]


async def collect(play: Play) -> Findings:
    """Raises UnexpectedAnswer."""
    bodies, letters, records = await asyncio.gather(
        play.queue.receive_all(),
        play.shell.ask_list("dead-letter", "list"),
        play.shell.ask_list("attempt", "list"),
    )
    buried_for = {str(letter["trigger"]): str(letter["reason"]) for letter in letters}
    return Findings(
        ledger=Ledger(
            accepted=[trigger_id(number) for number in NUMBERS],
            mailed=mailed(play.catcher.mails),
            queued=queued(bodies),
            buried=buried_for.keys(),
        ),
        bodies=bodies,
        buried_for=buried_for,
        repeats={
            str(record["trigger"]): str(record["id"])
            for record in records
            if record.get("repeats") is True
        },
    )
