import asyncio
from dataclasses import dataclass, field, replace

import pytest

from keyrelay.engine.freshness import Freshness
from keyrelay.model.catalog import Catalog
from keyrelay.model.revision import Revision
from keyrelay.ports import Unavailable
from tests.samples import REVISION, a_catalog

NEWER = replace(REVISION, number=REVISION.number + 1)


@dataclass(kw_only=True)
class FakeDefinitions:
    """`stored` is what a refresh reads; None, it fails."""

    catalog: Catalog = field(default_factory=a_catalog)
    stored: Catalog | None = None
    refreshed: int = 0

    def current(self) -> Catalog:
        return self.catalog

    async def refresh(self) -> bool:
        self.refreshed += 1
        await asyncio.sleep(0)
        self.catalog = self.stored or self.catalog
        return self.stored is not None

    async def watch(self, stop: asyncio.Event) -> None:
        await stop.wait()


def changed() -> Catalog:
    return replace(a_catalog(), revision=NEWER)


@pytest.mark.parametrize("since", [None, REVISION, replace(NEWER, history="2" * 24)])
async def test_a_catalog_that_is_new_enough_is_not_read_again(
    since: Revision | None,
) -> None:
    definitions = FakeDefinitions()

    found = await Freshness(definitions=definitions).catalog(since)

    assert found is definitions.catalog
    assert definitions.refreshed == 0


async def test_an_older_catalog_is_read_again_first() -> None:
    definitions = FakeDefinitions(stored=changed())

    found = await Freshness(definitions=definitions).catalog(NEWER)

    assert found.revision == NEWER


async def test_for_many_lanes_it_is_read_once() -> None:
    definitions = FakeDefinitions(stored=changed())
    freshness = Freshness(definitions=definitions)

    found = await asyncio.gather(*(freshness.catalog(NEWER) for _ in range(50)))

    assert {each.revision for each in found} == {NEWER}
    assert definitions.refreshed == 1


async def test_what_cannot_be_read_again_is_unavailable() -> None:
    freshness = Freshness(definitions=FakeDefinitions())

    with pytest.raises(Unavailable, match="have changed"):
        await freshness.catalog(NEWER)


async def test_a_database_that_has_gone_back_gives_the_catalog_that_it_has() -> None:
    definitions = FakeDefinitions(stored=a_catalog())

    found = await Freshness(definitions=definitions).catalog(NEWER)

    assert found.revision == REVISION
