"""`keyrelay job`: long work that the API was asked for, seen and cancelled here."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated

import typer

from keyrelay.app.jobs import jobs_of
from keyrelay.cli.columns import Column, instant, own_id, text, word
from keyrelay.cli.options import AsJson, Limit
from keyrelay.cli.output import Document, put_id, show
from keyrelay.cli.pagination import list_all
from keyrelay.cli.session import Session, perform
from keyrelay.model.ids import Beginnings
from keyrelay.model.job import RowState
from keyrelay.services.jobs import job_document, result_document
from keyrelay.services.naming import FindIds, whole_id
from keyrelay.stores.jobs.records import ResultPage

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Long work of the API: letters redriven or dropped, the trail verified.",
)

MOST_SHOWN = 20  # refusals and findings

OfInstallation = Annotated[
    bool,
    typer.Option("--installation", help="Those of the whole installation instead."),
]
JobId = Annotated[str, typer.Argument(metavar="ID", help="The job's id.")]


@app.command("list", epilog="Example: keyrelay job list --json")
def list_(
    ctx: typer.Context,
    *,
    installation: OfInstallation = False,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """List the jobs of the profile, newest first; for a week after their end."""

    async def rows(session: Session, most: int | None) -> AsyncIterator[Document]:
        profile = _profile(session, installation=installation)
        async for job in jobs_of(session.store).read(profile, most):
            yield job_document(job)

    list_all(ctx, rows, _columns(installation=installation), limit, as_json=as_json)


@app.command("show", epilog="Example: keyrelay job show 6745d1f0")
def show_(
    ctx: typer.Context,
    *,
    job: JobId,
    installation: OfInstallation = False,
    as_json: AsJson = False,
) -> None:
    """Show a job, and the first of its rows that were refused or found broken."""

    async def work(session: Session) -> Document:
        jobs, profile = (
            jobs_of(session.store),
            _profile(session, installation=installation),
        )
        id_ = await _whole(session, job, installation=installation)
        found = await jobs.get(profile, id_)
        rows = [
            result_document(row)
            for state in (RowState.REFUSED, RowState.BROKEN)
            for row in await jobs.results(
                profile, id_, ResultPage(amount=MOST_SHOWN, state=state)
            )
        ]
        return {**job_document(found), "results": rows}

    show(perform(ctx, work), as_json=as_json)


@app.command(epilog="Example: keyrelay job cancel 6745d1f0")
def cancel(
    ctx: typer.Context,
    *,
    job: JobId,
    installation: OfInstallation = False,
    as_json: AsJson = False,
) -> None:
    """End a job within a second, and print its id; what it did till then stands."""

    async def work(session: Session) -> str:
        profile = _profile(session, installation=installation)
        id_ = await _whole(session, job, installation=installation)
        await jobs_of(session.store).cancel(profile, id_, session.actor)
        return id_

    put_id(perform(ctx, work), as_json=as_json)


def _profile(session: Session, *, installation: bool) -> str | None:
    return None if installation else session.profile.id


def _find(session: Session, *, installation: bool) -> FindIds:
    records = jobs_of(session.store).records

    async def find(profile: str, sought: Beginnings) -> Sequence[str]:
        return await records.beginning(None if installation else profile, sought)

    return find


async def _whole(session: Session, given: str, *, installation: bool) -> str:
    find = _find(session, installation=installation)
    return await whole_id(find, session.profile.id, given)


def _columns(*, installation: bool) -> Sequence[Column]:
    return (
        own_id(lambda session: _find(session, installation=installation)),
        word("kind"),
        word("state"),
        word("total", optional=True),
        word("done"),
        word("refused"),
        instant("created_at"),
        text("actor"),
        text("message"),
    )
