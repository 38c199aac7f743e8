"""`keyrelay policy`: which action or analysis may use which secret, and why."""

from collections.abc import Sequence
from typing import Annotated

import typer

from keyrelay.app.store import read_catalog
from keyrelay.cli.columns import instant, own_id, text, word
from keyrelay.cli.documents import Active, Documents, WholeFile, changes_of
from keyrelay.cli.exits import ExitCode
from keyrelay.cli.options import AsJson, File, Limit, NameFilter, TagFilter
from keyrelay.cli.output import put, put_document
from keyrelay.cli.pagination import list_all
from keyrelay.cli.refusals import Refused, WrongUsage
from keyrelay.cli.session import Session, perform
from keyrelay.model.policy.policy import Allowance, Denial, Explanation
from keyrelay.services.definition_entries import ABSENT
from keyrelay.services.explaining import (
    Asking,
    Explaining,
    NotInCatalog,
    asking,
    explanation_document,
)
from keyrelay.services.remarks import on_stored_policy
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.definitions.stored_document import StoredDocument

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Which action or analysis may use which secret.",
)

Name = Annotated[str, typer.Argument(metavar="POLICY", help="Its id or its name.")]


async def _remarks(session: Session, stored: StoredDocument) -> Sequence[str]:
    return on_stored_policy(session.profile.id, stored)


_policies = Documents(
    store=lambda session: session.store.definitions.policies,
    absent=ABSENT[Noun.POLICY],
    remarks=_remarks,
)


@app.command(
    epilog="""\b
Example, with the document on standard input:
  keyrelay policy create --file - <<'JSON'
  {"name": "north sends its mail",
   "targets": [["action", "tag.key", "team", "tag.value", "north"]],
   "permissions": [{"effect": "allow", "action": ["access"],
                    "resource": ["secrets", "tag_match", "team"]}]}
  JSON"""
)
def create(ctx: typer.Context, *, file: WholeFile, as_json: AsJson = False) -> None:
    """Store a new policy, and print its id."""
    _policies.create(ctx, file, as_json=as_json)


@app.command(
    "list",
    epilog="""\b
Examples:
  keyrelay policy list --name 'north*'
  keyrelay policy list --json""",
)
def list_(
    ctx: typer.Context,
    *,
    name: NameFilter = None,
    tag: TagFilter = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """List the policies of the profile by name."""
    columns = (
        own_id(lambda session: session.store.definitions.policies.beginning),
        text("name"),
        word("active"),
        text("tags"),
        instant("updated_at"),
    )
    list_all(ctx, _policies.rows(name, tag), columns, limit, as_json=as_json)


@app.command("show", epilog="Example: keyrelay policy show 'north sends its mail'")
def show_(ctx: typer.Context, *, policy: Name, as_json: AsJson = False) -> None:
    """Show a policy as it was sent."""
    _policies.show(ctx, policy, as_json=as_json)


@app.command(
    epilog="""\b
Examples:
  keyrelay policy edit 'north sends its mail' --inactive
  keyrelay policy edit 'north sends its mail' --file changes.json

Fields that are given replace those that are there, each as a whole."""
)
def edit(
    ctx: typer.Context,
    *,
    policy: Name,
    file: File = None,
    active: Active = None,
    as_json: AsJson = False,
) -> None:
    """Replace some fields of a policy; workers see it within a second."""
    changes = changes_of(file, {"active": active})
    _policies.edit(ctx, policy, changes, as_json=as_json)


@app.command(epilog="Example: keyrelay policy delete 'north sends its mail'")
def delete(ctx: typer.Context, *, policy: Name, as_json: AsJson = False) -> None:
    """Delete a policy; workers see it within a second."""
    _policies.delete(ctx, policy, as_json=as_json)


@app.command(
    "explain",
    epilog="""\b
Examples:
  keyrelay policy explain --action 'too warm' --secret office-mail
  keyrelay policy explain --analysis 'cold rooms' --secret office-mail

The exit code is 0 if it is allowed, and 1 if it is denied.""",
)
def explain_(
    ctx: typer.Context,
    *,
    action: Annotated[
        str | None, typer.Option(help="The action, by id or name.")
    ] = None,
    analysis: Annotated[
        str | None, typer.Option(help="Or the analysis, by id or name.")
    ] = None,
    secret: Annotated[str, typer.Option(help="The secret, by id or key.")],
    as_json: AsJson = False,
) -> None:
    """Say whether it may use the secret, and by which policy or why not."""
    if (action is None) is (analysis is None):
        raise WrongUsage("give either --action or --analysis")
    asks = asking(action, analysis)
    explanation = perform(ctx, lambda session: _explain(session, asks, secret))
    if as_json:
        put_document(explanation_document(explanation))
    else:
        _tell(explanation)
    if isinstance(explanation, Denial):
        raise typer.Exit(ExitCode.REFUSED)


async def _explain(session: Session, asks: Asking, secret: str) -> Explanation:
    store = session.store
    explaining = Explaining(
        actions=store.definitions.actions,
        analyses=store.definitions.analyses,
        secrets=store.definitions.secrets,
        catalog=lambda: read_catalog(store),
    )
    try:
        return await explaining.explain(session.profile.id, asks, secret)
    except NotInCatalog as fault:
        where = "`keyrelay key status --check` says why"
        raise Refused(f"{fault}; {where}") from None


def _tell(explanation: Explanation) -> None:
    match explanation:
        case Allowance(reason):
            put(f"allowed: {reason}")
        case Denial(code, reason, _, misses):
            put(f"denied ({code}): {reason}")
            for miss in misses[1:]:
                put(f"  also near: {miss}")
