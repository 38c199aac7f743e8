"""Showing: the scenes in which the reader looks at what came out."""

from collections.abc import Sequence

from keyrelay.demo import cast
from keyrelay.demo.cast import Role, expected
from keyrelay.demo.findings import Findings
from keyrelay.demo.play import Play
from keyrelay.demo.shell import Call
from keyrelay.demo.traces import traces

_SHOWN = 3  # of the messages


def show_arrivals(play: Play, findings: Findings) -> None:
    stage, bodies = play.stage, findings.bodies
    stage.scene("What arrived")
    stage.say("The first mail, as it was caught:")
    mail = play.catcher.mails[0]
    stage.output([f"{name}: {value}" for name, value in mail.items()])
    stage.output(["", *mail.get_content().splitlines()])
    stage.say(f"The first {_SHOWN} of {len(bodies)} messages, as they were received:")
    stage.output(bodies[:_SHOWN])


async def show_refusals(play: Play, findings: Findings) -> None:
    stage = play.stage
    stage.scene("What did not, and why")
    stage.say("No policy lets the newsletter use the mail server. Which comes near?")
    named = ["--action", cast.NEWSLETTER, "--secret", cast.MAIL_KEY]
    (explained,) = await play.shell.run(
        Call(words=["policy", "explain", *named], code=1)
    )
    stage.check(
        "denied, and the explanation names the nearest policy",
        holds=cast.MAIL_POLICY in " ".join(explained),
    )
    stage.say("What cannot be delivered is kept, to be looked at and redriven:")
    refused = [id_ for id_, why in findings.buried_for.items() if "550 " in why]
    denied = [id_ for id_, why in findings.buried_for.items() if "no policy" in why]
    await play.shell.run(Call(words=["dead-letter", "show", *refused[:1]], most=5))
    stage.check(
        f"{len(denied)} dead letters that no policy permits, {len(refused)} that the"
        " mail server refused for good",
        holds=len(denied) == expected(Role.NEWSLETTER)
        and len(refused) == expected(Role.NIGHT_SHIFT),
    )


async def show_records(play: Play, values: Sequence[str]) -> None:
    stage = play.stage
    stage.scene("The audit trail")
    stage.say(
        "Each attempt and each change left a record, chained to the one before;"
        " `keyrelay audit list` shows them. Has any been altered since?"
    )
    await play.shell.run(Call(words=["audit", "verify"]))
    # Otherwise it would have ended with another exit code.
    stage.check("the audit trail is whole", holds=True)
    stage.say(
        "Last, a search for the password and the AWS keys, plain and in base64, in all"
        " that the commands printed and in every file: databases, logs, checkpoint."
    )
    found = traces(values, play.shell.directory, play.shell.said)
    stage.check(
        f"the search found {', '.join(found) if found else 'nothing'}", holds=not found
    )
