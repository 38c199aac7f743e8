"""Policy coverage: what a policy is about by name, and what ends without it."""

from collections.abc import Mapping, Sequence

import pytest

from keyrelay.model.catalog import Catalog
from keyrelay.model.policy.policy_document import parse_policy
from keyrelay.services.policy_coverage import Coverage, coverage
from keyrelay.services.policy_losses import losses_document, policy_losses
from tests.contract.stores.house import ADA, House, allow, mail_action
from tests.samples import PROFILE

Document = Mapping[str, object]


def policy(
    target: Sequence[str], resource: Sequence[str], **changes: object
) -> Document:
    access = {"effect": "allow", "action": ["access"], "resource": [*resource]}
    return {"name": "p", "targets": [[*target]], "permissions": [access], **changes}


async def covered(house: House, document: Document, id_: str = "") -> Coverage:
    return coverage(await current(house), parse_policy(document, id_, PROFILE))


async def current(house: House) -> Catalog:
    await house.catalog.refresh()
    return house.catalog.current()


def names(found: Coverage) -> tuple[list[str], list[str], list[str]]:
    return (
        [each.name for each in found.targets],
        [each.secret.key for each in found.released],
        [each.secret.key for each in found.withheld],
    )


@pytest.fixture
async def furnished(house: House) -> House:
    """Two secrets, an action that names the first, and an analysis."""
    secret = await house.new_secret("smtp-main")
    await house.new_secret("smtp-other")
    await house.actions.create(PROFILE, mail_action(secret, "tell"), ADA)
    await house.analyses.documents.create(PROFILE, {"name": "cold rooms"}, ADA)
    return house


async def test_what_matches_is_named(furnished: House) -> None:
    found = await covered(furnished, policy(["analysis"], ["secrets"]))

    assert names(found) == (["cold rooms"], ["smtp-main", "smtp-other"], [])


async def test_its_own_denial_withholds(furnished: House) -> None:
    (sealed, _) = (await current(furnished)).secrets_of(PROFILE)
    one = ["secrets", "id", sealed.secret.tagged.id]
    allowed = {"effect": "allow", "action": ["access"], "resource": ["secrets"]}
    denied = {"effect": "deny", "action": ["access"], "resource": one}
    both = policy(["action"], ["secrets"], permissions=[allowed, denied])

    found = await covered(furnished, both)

    assert names(found) == (["tell"], ["smtp-other"], ["smtp-main"])


async def test_what_is_wide_and_what_matches_nothing_is_said(furnished: House) -> None:
    wide = await covered(furnished, policy(["action"], ["secrets"]))
    idle = await covered(furnished, policy(["action", "tag_match", "no"], ["secrets"]))
    empty = await covered(furnished, policy(["action"], ["secrets", "tag_match", "no"]))

    assert sum("it is wide" in each for each in wide.remarks) == 2
    assert any("is one of its targets" in each for each in idle.remarks)
    assert any("no secret that is there" in each for each in empty.remarks)


async def test_an_inactive_policy_is_read_as_if_it_were_active(
    furnished: House,
) -> None:
    document = policy(["action"], ["secrets"], active=False)

    found = await covered(furnished, document)

    assert names(found)[1] == ["smtp-main", "smtp-other"]
    assert "it is inactive, and counts for nothing" in found.remarks


async def test_a_denial_by_another_policy_is_named_and_its_own_former_one_is_not(
    furnished: House,
) -> None:
    deny = policy(["action"], ["secrets"])
    permission = {"effect": "deny", "action": ["access"], "resource": ["secrets"]}
    denying = {**deny, "name": "closed", "permissions": [permission]}
    stored = await furnished.policies.create(PROFILE, denying, ADA)
    allowing = policy(["action"], ["secrets"])

    beside = await covered(furnished, allowing)
    instead = await covered(furnished, allowing, stored.id)

    assert any('policy "closed"' in each for each in beside.remarks)
    assert not any('policy "closed"' in each for each in instead.remarks)


async def test_what_only_this_policy_releases_ends_without_it(furnished: House) -> None:
    first = await furnished.policies.create(PROFILE, allow(), ADA)
    before = losses_document(policy_losses(await current(furnished), PROFILE, first.id))
    await furnished.policies.create(PROFILE, allow(), ADA)
    after = losses_document(policy_losses(await current(furnished), PROFILE, first.id))

    # The action names one of the secrets, and so loses no other.
    (loss,) = before
    assert loss["name"] == "tell"
    assert isinstance(loss["secret"], dict)
    assert loss["secret"]["key"] == "smtp-main"
    assert after == []
