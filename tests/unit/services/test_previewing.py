"""Previewing: what prevents an attempt is told; what no worker uses is refused."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from keyrelay.model.catalog import Catalog, Omitted
from keyrelay.model.data_point import facts_of
from keyrelay.model.templates import Fact
from keyrelay.services.explaining import NotInCatalog
from keyrelay.services.previewing import Previewing, sample_trigger
from tests.samples import (
    ACTIONS,
    MAIL_ACTION,
    NOON,
    PROFILE,
    a_catalog,
    a_trigger,
    without_policies,
)


def previewing(catalog: Catalog) -> Previewing:
    async def seen() -> Catalog:
        return catalog

    return Previewing(catalog=seen, types=ACTIONS.types, now=lambda: NOON)


async def refusals(catalog: Catalog) -> Sequence[object]:
    shown = await previewing(catalog).preview(a_trigger())
    found = shown["refusals"]
    assert isinstance(found, list)
    return found


async def test_what_would_be_sent_is_refused_for_no_reason() -> None:
    assert await refusals(a_catalog()) == []


async def test_a_secret_that_is_not_released_or_not_there_is_a_refusal() -> None:
    (denied,) = await refusals(without_policies(a_catalog()))
    (absent,) = await refusals(replace(a_catalog(), secrets={}))

    assert str(denied).startswith("no policy lets action")
    assert str(absent).startswith("there is no secret")


async def test_what_no_worker_would_use_is_not_previewed() -> None:
    closed = Omitted(profiles={PROFILE: "its definitions were altered"})
    for catalog, why in (
        (replace(a_catalog(), actions={}), "there is no action"),
        (replace(a_catalog(), omitted=closed), "its definitions were altered"),
    ):
        with pytest.raises(NotInCatalog, match=why):
            await previewing(catalog).preview(a_trigger())


def test_a_sample_has_every_fact() -> None:
    sample = sample_trigger(PROFILE, MAIL_ACTION, NOON)

    assert facts_of(sample.data, NOON).keys() == {*Fact}
