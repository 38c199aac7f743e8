"""Intake: what an API process accepts of programs and scripts, and how much of it."""

from dataclasses import dataclass

from keyrelay.app.settings import Settings
from keyrelay.app.store import Store
from keyrelay.ports import TriggerQueue
from keyrelay.services.backlog_limit import BacklogLimit
from keyrelay.services.console_room import ConsoleRoom
from keyrelay.services.script_services import ScriptServices


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """Where triggers and lines of consoles are accepted, and what acts at once."""

    queue: TriggerQueue
    backlog_limit: BacklogLimit
    script_services: ScriptServices
    console_room: ConsoleRoom


def intake_of(
    settings: Settings, store: Store, queue: TriggerQueue, services: ScriptServices
) -> Intake:
    now = store.audit_log.world.now
    limit = BacklogLimit(most=settings.backlog_limit, queue=queue, now=now)
    return Intake(
        queue=queue,
        backlog_limit=limit,
        script_services=services,
        console_room=ConsoleRoom(now=now),
    )
