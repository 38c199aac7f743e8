"""Settling: the scene in which what was accepted is found again, every one of it."""

from keyrelay.demo.findings import Findings
from keyrelay.demo.play import Play
from keyrelay.demo.shell import Call


async def balance(play: Play, findings: Findings) -> None:
    stage, ledger = play.stage, findings.ledger
    stage.scene("Nothing is lost")
    stage.rows(
        {
            "triggers that became a mail": str(len(ledger.mailed)),
            "triggers that became a message": str(len(ledger.queued)),
            "triggers that became a dead letter": str(len(ledger.buried)),
        },
        total=("settled", f"{ledger.settled} of {len(ledger.accepted)} accepted"),
    )
    stage.check(
        f"nothing is lost: {len(ledger.mailed)} + {len(ledger.queued)} +"
        f" {len(ledger.buried)} = {len(ledger.accepted)}",
        holds=ledger.balances,
    )
    await _tell_duplicates(play, findings)


async def _tell_duplicates(play: Play, findings: Findings) -> None:
    stage, twice = play.stage, findings.ledger.twice
    if not twice:
        stage.check("nothing arrived twice, this time", holds=True)
        return
    stage.say(
        f"Arrived twice: {', '.join(twice)}, with the same Message-ID or content. The"
        " kill fell between delivery and record, and then nobody can know; so it goes"
        " out again, and the record says that it repeats:"
    )
    record = findings.repeats.get(twice[0])
    if record is not None:
        await play.shell.run(Call(words=["attempt", "show", record], most=10))
    stage.check(
        f"{len(twice)} arrived twice, and the records call each a repeat",
        holds=set(twice) <= findings.repeats.keys(),
    )
