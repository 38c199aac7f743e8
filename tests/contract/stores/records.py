"""Records: attempts to be recorded, and what a trail says of them."""

from keyrelay.model.audit import AttemptIdentity, AttemptRecord, Report
from keyrelay.model.ids import new_id
from keyrelay.model.outcome import Delivered
from keyrelay.model.settlement import Done
from keyrelay.stores.audit.log import group_commits
from tests.contract.stores.house import House
from tests.samples import MAIL_ACTION, NOON, PROFILE


def attempt(trigger: str, profile: str = PROFILE) -> AttemptRecord:
    return AttemptRecord(
        id=new_id(NOON),
        attempt=AttemptIdentity(
            profile=profile,
            trigger=trigger,
            action=MAIL_ACTION,
            number=1,
            repeats=False,
            started_at=NOON,
        ),
        report=Report(outcome=Delivered("250 taken")),
        settlement=Done(),
        at=NOON,
    )


async def record(house: House, *triggers: str) -> None:
    for trigger in triggers:
        await group_commits(house.audit_log).append(attempt(trigger))


async def triggers_of(house: House) -> list[str]:
    rows = await house.look(
        "SELECT trigger FROM audit_records WHERE kind = 'attempt' ORDER BY chain, seq"
    )
    return [str(trigger) for (trigger,) in rows]
