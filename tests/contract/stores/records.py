"""Records: attempts and releases to record, and what a trail says of attempts."""

from keyrelay.model.audit import (
    AttemptIdentity,
    AttemptRecord,
    Released,
    ReleaseRecord,
    Report,
    RunIdentity,
)
from keyrelay.model.ids import new_id
from keyrelay.model.outcome import Delivered
from keyrelay.model.release import HOSTED, RunPlace
from keyrelay.model.settlement import Done
from keyrelay.stores.audit.log import group_commits
from tests.contract.stores.house import House
from tests.samples import ANALYSIS, MAIL_ACTION, MAIL_SECRET, NOON, POLICY, PROFILE


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


def release(
    run: str, place: RunPlace = HOSTED, analysis: str = ANALYSIS
) -> ReleaseRecord:
    return ReleaseRecord(
        id=new_id(NOON),
        to=RunIdentity(profile=PROFILE, run=run, analysis=analysis, place=place),
        released=Released(secret=MAIL_SECRET, version=3, policy=POLICY),
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
