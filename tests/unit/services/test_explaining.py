"""Explaining: the decision that a worker would make, and its reason."""

from dataclasses import replace

import pytest

from keyrelay.model.catalog import Catalog
from keyrelay.model.policy.policy import Allowance, Denial
from keyrelay.services.explaining import Explaining, NotInCatalog
from keyrelay.services.naming import UnknownName
from tests.contract.stores.house import ADA, House, allow, mail_action
from tests.samples import PROFILE


@pytest.fixture
async def explaining(house: House) -> Explaining:
    """The service over one secret and one action, by the names of both."""

    async def catalog() -> Catalog:
        await house.catalog.refresh()
        return house.catalog.current()

    secret = await house.new_secret("smtp-main")
    await house.actions.create(PROFILE, mail_action(secret, "tell"), ADA)
    return Explaining(actions=house.actions, secrets=house.secrets, catalog=catalog)


async def test_without_a_policy_it_is_denied(explaining: Explaining) -> None:
    explanation = await explaining.explain(PROFILE, "tell", "smtp-main")

    assert isinstance(explanation, Denial)


async def test_a_policy_that_allows_it_is_named(
    house: House, explaining: Explaining
) -> None:
    policy = await house.policies.create(PROFILE, allow(), ADA)

    explanation = await explaining.explain(PROFILE, "tell", "smtp-main")

    assert isinstance(explanation, Allowance)
    assert explanation.policy == policy.id


@pytest.mark.parametrize(
    ("action", "secret"), [("other", "smtp-main"), ("tell", "other")]
)
async def test_names_that_nothing_has_are_not_explained(
    explaining: Explaining, action: str, secret: str
) -> None:
    with pytest.raises(UnknownName):
        await explaining.explain(PROFILE, action, secret)


async def test_what_no_worker_can_read_is_not_explained(
    house: House, explaining: Explaining
) -> None:
    async def catalog() -> Catalog:
        return replace(house.catalog.current(), secrets={})

    with pytest.raises(NotInCatalog):
        await replace(explaining, catalog=catalog).explain(PROFILE, "tell", "smtp-main")
