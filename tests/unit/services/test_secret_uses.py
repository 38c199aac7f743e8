"""Secret uses: each action that refers to a secret, with the decision on it."""

from dataclasses import replace

import pytest

from keyrelay.model.catalog import Catalog, Omitted
from keyrelay.services.secret_uses import SecretUse, secret_uses, use_document
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.refusals import NotFound
from tests.contract.stores.house import ADA, House, mail_action
from tests.samples import OTHER_PROFILE, PROFILE

ALLOW = {"effect": "allow", "action": ["access"], "resource": ["secrets"]}


async def current(house: House) -> Catalog:
    await house.catalog.refresh()
    return house.catalog.current()


async def test_uses_are_told_by_name_with_who_is_given_the_secret(house: House) -> None:
    secret, other = await house.new_secret("one"), await house.new_secret("two")
    store = house.actions
    told = (await store.create(PROFILE, mail_action(secret, "b"), ADA)).id
    silent = (await store.create(PROFILE, mail_action(secret, "a"), ADA)).id
    await store.create(PROFILE, mail_action(other, "c"), ADA)
    allow = {"name": "b", "targets": [["action", "id", told]], "permissions": [ALLOW]}
    policy = await house.policies.create(PROFILE, allow, ADA)

    denied, allowed = await secret_uses(
        house.secrets, await current(house), PROFILE, secret
    )

    assert (denied.id, denied.name, denied.is_released) == (silent, "a", False)
    assert "no policy lets action" in denied.reason
    assert allowed == SecretUse(
        noun=Noun.ACTION,
        id=told,
        name="b",
        is_released=True,
        reason=allowed.reason,
        policy=policy.id,
    )


async def test_analyses_that_may_access_it_are_users_and_no_others(
    house: House,
) -> None:
    secret = await house.new_secret()
    analyses = house.analyses.documents
    action = (await house.actions.create(PROFILE, mail_action(secret), ADA)).id
    reads = (await analyses.create(PROFILE, {"name": "reads"}, ADA)).id
    await analyses.create(PROFILE, {"name": "reads not"}, ADA)
    await analyses.create(OTHER_PROFILE, {"name": "elsewhere"}, ADA)
    targets = [["analysis", "id", reads]]
    allow = {"name": "b", "targets": targets, "permissions": [ALLOW]}
    policy = await house.policies.create(PROFILE, allow, ADA)

    uses = await secret_uses(house.secrets, await current(house), PROFILE, secret)

    assert [(use.noun, use.id, use.policy) for use in uses] == [
        (Noun.ACTION, action, None),
        (Noun.ANALYSIS, reads, policy.id),
    ]
    by_action, by_analysis = map(use_document, uses)
    assert (by_action["action"], by_action["analysis"]) == (action, None)
    assert (by_analysis["action"], by_analysis["analysis"]) == (None, reads)
    assert (by_action["released"], by_analysis["released"]) == (False, True)


async def test_what_no_worker_can_use_is_given_nothing(house: House) -> None:
    secret = await house.new_secret()
    action = (await house.actions.create(PROFILE, mail_action(secret), ADA)).id
    catalog = await current(house)
    closed = replace(catalog, omitted=Omitted(profiles={PROFILE: "broken"}))

    async def reason(catalog: Catalog) -> str:
        (use,) = await secret_uses(house.secrets, catalog, PROFILE, secret)
        assert not use.is_released
        return use.reason

    assert await reason(replace(catalog, actions={})) == f"there is no action {action}"
    assert await reason(replace(catalog, secrets={})) == f"there is no secret {secret}"
    assert await reason(closed) == "broken"


@pytest.mark.parametrize("profile", [PROFILE, OTHER_PROFILE])
async def test_a_secret_that_is_not_there_has_no_uses_to_tell(
    house: House, profile: str
) -> None:
    secret = await house.new_secret() if profile == OTHER_PROFILE else "5" * 24

    with pytest.raises(NotFound):
        await secret_uses(house.secrets, await current(house), profile, secret)
