"""`keyrelay restore`: a database older than its checkpoint, looked at or accepted."""

from typing import Annotated

import typer

from keyrelay.cli.output import put
from keyrelay.cli.refusals import FoundBroken
from keyrelay.cli.session import Session, perform
from keyrelay.stores.restoring import accept, compare

app = typer.Typer(rich_markup_mode=None)


@app.command(
    "restore",
    epilog="""\b
Examples:
  keyrelay restore               what the database lacks
  keyrelay restore --accept      go on with the database as it is

A worker does not start on a database that lacks records which the checkpoint in its
data directory has seen: after a backup was restored, or a standby took over that had
not received all. What was delivered since then may be delivered again.

The exit code is 0 if nothing is missing or it was accepted, and 4 if something is.""",
)
def restore_(
    ctx: typer.Context,
    *,
    accepted: Annotated[
        bool, typer.Option("--accept", help="Go on with it, with an audit record.")
    ] = False,
) -> None:
    """Compare the database with the checkpoint, and accept it if it is older."""

    async def work(session: Session) -> str | None:
        audit_log = session.store.audit_log
        if accepted:
            return await accept(audit_log, session.profile.id, session.actor)
        found = await compare(audit_log)
        absent = "there is no checkpoint" if found.noted is None else None
        return found.missing or absent

    what = perform(ctx, work)
    if accepted:
        put(f"accepted: {what}")
    elif what is None:
        put("nothing is missing")
    else:
        raise FoundBroken(f"{what}; `keyrelay restore --accept` goes on without")
