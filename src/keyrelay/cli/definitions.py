"""`keyrelay definitions`: what was altered behind Keyrelay's back, taken as it is."""

from typing import Annotated

import typer

from keyrelay.cli.input import confirm
from keyrelay.cli.options import AsJson, Yes
from keyrelay.cli.output import put_id
from keyrelay.cli.refusals import WrongUsage
from keyrelay.cli.session import Session, perform
from keyrelay.services.naming import whole_id
from keyrelay.stores.definitions.accepting import Accepting

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Definitions that were altered in the database.",
)


@app.callback()
def definitions() -> None:
    """Definitions that were altered in the database."""


@app.command(
    epilog="""\b
Examples:
  keyrelay key status --check                    names what was altered
  keyrelay definitions accept 6745d1f0c2b9a8e7d6c5b4a3
  keyrelay definitions accept --all              where the index itself was altered

Look at a definition before you accept it. The audit trail says who did."""
)
def accept(
    ctx: typer.Context,
    *,
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Ids of definitions.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All definitions of the profile.")
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Take definitions as they stand in the database, and print the id of each."""
    if bool(ids) == everything:
        raise WrongUsage("give ids of definitions, or --all")
    if everything and not yes:
        confirm("Take all definitions of the profile as they stand in the database?")

    async def work(session: Session) -> None:
        accepting, profile = _accepting(session), session.profile.id
        if everything:
            await accepting.accept_all(profile, session.actor)
            put_id(profile, as_json=as_json)
        for given in ids or ():
            id_ = await whole_id(accepting.beginning, profile, given)
            await accepting.accept(profile, id_, session.actor)
            put_id(id_, as_json=as_json)

    perform(ctx, work)


def _accepting(session: Session) -> Accepting:
    journal = session.store.definitions.secrets.journal
    return Accepting(journal=journal, guard=session.store.guard)
