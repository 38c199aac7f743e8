"""Explaining: the decision that a worker would make, and its reason."""

from dataclasses import replace

import pytest

from keyrelay.model.catalog import Catalog
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.policy.policy import Allowance, Denial
from keyrelay.services.explaining import Asking, Explaining, NotInCatalog, asking
from keyrelay.services.naming import UnknownName
from keyrelay.stores.definitions.listing import Noun
from tests.contract.stores.house import ADA, House, allow, mail_action
from tests.samples import PROFILE

TELL = Asking(Noun.ACTION, "tell")
PERMISSION = {"effect": "allow", "action": ["access"], "resource": ["secrets"]}
COLD_ROOMS = Asking(Noun.ANALYSIS, "cold rooms")


@pytest.fixture
async def explaining(house: House) -> Explaining:
    """The service over a secret, an action and an analysis, by their names."""

    async def catalog() -> Catalog:
        await house.catalog.refresh()
        return house.catalog.current()

    secret = await house.new_secret("smtp-main")
    await house.actions.create(PROFILE, mail_action(secret, "tell"), ADA)
    await house.analyses.documents.create(PROFILE, {"name": "cold rooms"}, ADA)
    return Explaining(
        actions=house.actions,
        analyses=house.analyses,
        secrets=house.secrets,
        catalog=catalog,
    )


async def test_without_a_policy_it_is_denied(explaining: Explaining) -> None:
    explanation = await explaining.explain(PROFILE, TELL, "smtp-main")

    assert isinstance(explanation, Denial)


async def test_a_policy_that_allows_it_is_named(
    house: House, explaining: Explaining
) -> None:
    policy = await house.policies.create(PROFILE, allow(), ADA)

    explanation = await explaining.explain(PROFILE, TELL, "smtp-main")

    assert isinstance(explanation, Allowance)
    assert explanation.policy == policy.id


async def test_each_policy_that_matches_is_told_and_what_denies_is_first(
    house: House, explaining: Explaining
) -> None:
    for name, changes in (
        ("off", {"active": False}),
        ("open", {}),
        ("edits", {"permissions": [{**PERMISSION, "action": ["edit"]}]}),
        ("closed", {"permissions": [{**PERMISSION, "effect": "deny"}]}),
    ):
        await house.policies.create(PROFILE, {**allow(), "name": name, **changes}, ADA)

    told = (await explaining.tell(PROFILE, TELL, "smtp-main"))["matched"]

    assert isinstance(told, list)
    ends = {sentence.split('"')[1]: sentence.split(") ")[1] for sentence in told}
    assert [*ends][:2] == ["closed", "open"]
    assert ends == {
        "closed": "denies it",
        "open": "allows it",
        "off": "is inactive; else it allows it",
        "edits": "is about edit alone",
    }


async def test_what_holds_for_actions_does_not_hold_for_analyses(
    house: House, explaining: Explaining
) -> None:
    await house.policies.create(PROFILE, allow(), ADA)
    before = await explaining.explain(PROFILE, COLD_ROOMS, "smtp-main")
    policy = {**allow("scripts read"), "targets": [["analysis"]]}
    made = await house.policies.create(PROFILE, policy, ADA)

    after = await explaining.explain(PROFILE, COLD_ROOMS, "smtp-main")

    assert isinstance(before, Denial)
    assert "no policy lets analysis" in before.reason
    assert isinstance(after, Allowance)
    assert after.policy == made.id


@pytest.mark.parametrize("given", [(None, None), ("tell", "cold rooms")])
def test_either_an_action_or_an_analysis_asks(
    given: tuple[str | None, str | None],
) -> None:
    with pytest.raises(InvalidDefinition, match="either an action or an analysis"):
        asking(*given)

    assert (asking("a", None), asking(None, "b")) == (
        Asking(Noun.ACTION, "a"),
        Asking(Noun.ANALYSIS, "b"),
    )


@pytest.mark.parametrize(
    ("asks", "secret"),
    [
        (Asking(Noun.ACTION, "other"), "smtp-main"),
        (Asking(Noun.ANALYSIS, "tell"), "smtp-main"),
        (Asking(Noun.ACTION, "cold rooms"), "smtp-main"),
        (TELL, "other"),
        (COLD_ROOMS, "other"),
    ],
)
async def test_names_that_nothing_has_are_not_explained(
    explaining: Explaining, asks: Asking, secret: str
) -> None:
    with pytest.raises(UnknownName):
        await explaining.explain(PROFILE, asks, secret)


@pytest.mark.parametrize("missing", ["secrets", "actions"])
async def test_what_no_worker_can_read_is_not_explained(
    house: House, explaining: Explaining, missing: str
) -> None:
    async def catalog() -> Catalog:
        nothing: dict[str, object] = {missing: {}}
        return replace(house.catalog.current(), **nothing)  # type: ignore[arg-type]

    with pytest.raises(NotInCatalog):
        await replace(explaining, catalog=catalog).explain(PROFILE, TELL, "smtp-main")


async def test_an_analysis_that_no_worker_can_read_is_not_explained(
    house: House, explaining: Explaining
) -> None:
    async def catalog() -> Catalog:
        return replace(house.catalog.current(), analyses={})

    without = replace(explaining, catalog=catalog)
    with pytest.raises(NotInCatalog, match="there is no analysis"):
        await without.explain(PROFILE, COLD_ROOMS, "smtp-main")
