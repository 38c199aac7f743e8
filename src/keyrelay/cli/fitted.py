"""Fitted tables: what a table shows of a profile, made to fit into the terminal."""

from collections.abc import Mapping, Sequence

from keyrelay.cli.columns import Column
from keyrelay.cli.output import Document, cell_of
from keyrelay.cli.session import Session
from keyrelay.services.shortening import short_ids

_NAME = "action_name"


async def put_table(
    session: Session, documents: Sequence[Document], columns: Sequence[Column]
) -> None:
    """Print a line each; where there is no terminal, with whole ids and instants."""
    # Imported here: rich takes longer to load than all other output.
    from keyrelay.cli import table_layout as layout
    from keyrelay.cli.tables import print_content, terminal_width

    if any(column.name == _NAME for column in columns):
        documents = await _with_names(session, documents)
    rows = [[cell_of(one.get(column.name)) for column in columns] for one in documents]
    content = layout.TableContent(columns=columns, rows=rows)
    width = terminal_width()
    if width is not None and not content.fits(width):
        content = layout.with_short_instants(content, session.world.now())
    if width is not None and not content.fits(width):
        short = {
            column.name: await short_ids(
                column.find(session),
                session.profile.id,
                content.cells(column.name),
                column.shortest,
            )
            for column in columns
            if column.find is not None
        }
        content = layout.without_optional(layout.with_short_ids(content, short), width)
    print_content(content)


async def action_names(
    session: Session, documents: Sequence[Document]
) -> Mapping[str, str]:
    """Return the names of the actions that the documents are about, by id."""
    ids = {each["action"] for each in documents if isinstance(each.get("action"), str)}
    actions = session.store.definitions.actions
    return await actions.names(session.profile.id, {str(id_) for id_ in ids})


async def acting_names(
    session: Session, documents: Sequence[Document]
) -> Mapping[str, str]:
    """Return the names of actions, and of analyses, that the documents are about."""
    ids = {each.get("analysis") for each in documents}
    named = {id_ for id_ in ids if isinstance(id_, str)}
    analyses = session.store.definitions.analyses.documents
    return {
        **await action_names(session, documents),
        **await analyses.names(session.profile.id, named),
    }


async def _with_names(
    session: Session, documents: Sequence[Document]
) -> Sequence[Document]:
    names = await action_names(session, documents)
    return [{**each, _NAME: names.get(str(each.get("action")))} for each in documents]
