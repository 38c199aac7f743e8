"""Pages: each thing once, whatever is added while they are read."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from keyrelay.app.settings import load_settings
from keyrelay.app.store import initialise, open_store
from keyrelay.cli.output import Document
from keyrelay.cli.pages import Pages
from keyrelay.cli.session import Session

TOLD = [{"id": str(number)} for number in range(1200, 0, -1)]


@pytest.fixture
async def session(tmp_path: Path) -> AsyncIterator[Session]:
    settings = load_settings(None, {"home": tmp_path / "home"})
    founding = await initialise(settings, "ada")
    async with open_store(settings) as store:
        yield Session(
            settings=settings, store=store, profile=founding.profile, actor="ada"
        )


async def test_what_is_added_meanwhile_makes_none_appear_twice(
    session: Session,
) -> None:
    newest_first = list[Document](TOLD)

    async def fetch(_: Session, page: int, amount: int) -> Sequence[Document]:
        found = newest_first[(page - 1) * amount : page * amount]
        newest_first.insert(0, {"id": f"new {page}"})
        return found

    pages = Pages(fetch=fetch, columns=("id",))

    assert [document async for document in pages.read(session, None)] == TOLD


@pytest.mark.parametrize("limit", [1, 500, 501, 1200, 5000])
async def test_no_more_are_read_than_asked_for(session: Session, limit: int) -> None:
    async def fetch(_: Session, page: int, amount: int) -> Sequence[Document]:
        return TOLD[(page - 1) * amount : page * amount]

    pages = Pages(fetch=fetch, columns=("id",))

    found = [document async for document in pages.read(session, limit)]

    assert found == TOLD[:limit]
