"""External runs: the stage of runs that are handed to scripts elsewhere.

A script says nothing when it is done: a run is delivered once all of it was written to
the connection of a listener.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from keyrelay.dispatchers.script.hosting import OpenConsole
from keyrelay.model.analysis import RunOn, ScriptedAnalysis
from keyrelay.model.outcome import (
    LEASE_LOST,
    Deferred,
    Delivered,
    Fault,
    Outcome,
    Rejected,
    Uncertain,
)
from keyrelay.model.release import ReleasedRun, RunPlace
from keyrelay.model.run import RunOrder, RunResult
from keyrelay.model.secret import SecretValue
from keyrelay.ports import StillHeld
from keyrelay.services.events.documents import Event
from keyrelay.services.events.listeners import Handed
from keyrelay.services.events.run_listeners import TRIGGER, RunListener, RunListeners

WRITTEN_WITHIN = timedelta(seconds=5)

_NONE_FREE = Deferred("no listener is free", spends_attempt=False)
_GONE = Deferred(
    "its listener was gone before anything was written", spends_attempt=False
)
_IN_CLEAR = Rejected(
    "its listeners are connected in clear, and a run has secrets in it: let them use"
    " https, or a proxy of KEYRELAY_API_TRUSTED_PROXIES that does",
    Fault.DEFINITION,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalStage:
    """ports.RunStage of the scripts that listen to this process.

    `token` returns the plaintext of a run's own token; `note` is told how a run ended.
    """

    listeners: RunListeners
    token: Callable[[RunOrder], Awaitable[SecretValue]]
    console: OpenConsole
    note: Callable[[str, RunResult], None]
    now: Callable[[], datetime]

    async def place(
        self, order: RunOrder, _: ScriptedAnalysis
    ) -> RunPlace | Deferred | Rejected:
        """Return the least recently used listener that is free and no one reads."""
        all_ = self.listeners.of(order.profile, order.analysis)
        private = [each for each in all_ if each.is_private]
        if all_ and not private:
            return _IN_CLEAR
        chosen = next((each for each in private if each.is_free), None)
        if chosen is None:
            return _NONE_FREE
        self.listeners.use(chosen)
        return RunPlace(
            run_on=RunOn.EXTERNAL, address=chosen.address, listener=chosen.id
        )

    async def perform(
        self, run: ReleasedRun, place: RunPlace, still_held: StillHeld
    ) -> Outcome:
        order = run.order
        chosen = self.listeners.get(order.analysis, place.listener)
        if chosen is None:
            return _GONE
        token = await self.token(order)
        values = (token, *run.environment.values)
        async with self.console(order, values) as console:
            for sentence in run.environment.told:
                await console.take(sentence)
            if not await still_held():
                return LEASE_LOST
            handed = await chosen.listener.hand(_event(run, token), WRITTEN_WITHIN)
            outcome = self._outcome(chosen, handed)
            if isinstance(outcome, Delivered):
                await console.take(f"It was {outcome.receipt}.")
                result = RunResult(
                    sentence=f"It was {outcome.receipt}.",
                    last_lines=tuple(console.last_lines),
                )
                self.note(order.id, result)
        return outcome

    def _outcome(self, chosen: RunListener, handed: Handed) -> Outcome:
        match handed:
            case Handed.WRITTEN:
                seconds = int((self.now() - chosen.since).total_seconds())
                return Delivered(
                    f"handed to a listener at {chosen.address}, connected for"
                    f" {seconds} s ({chosen.id})"
                )
            case Handed.BROKEN:
                return Uncertain(
                    f"the listener at {chosen.address} went while it was handed the"
                    " run, and may have it"
                )
            case Handed.UNTOUCHED:
                return _GONE


def _event(run: ReleasedRun, token: SecretValue) -> Event:
    """Return what TagoIO's clients expect; they ignore the id of the run."""
    order = run.order
    pairs = run.environment.revealed()
    payload = {
        "analysis_id": order.analysis,
        "run_id": order.id,
        "token": token.reveal(),
        "environment": [{"key": key, "value": value} for key, value in pairs],
        "data": json.loads(order.scope),
    }
    # Escaped: some clients end a line where Unicode does.
    data = json.dumps({"payload": payload}, separators=(",", ":"))
    return Event(channel=TRIGGER, data=data.encode())
