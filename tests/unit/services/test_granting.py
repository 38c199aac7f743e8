"""Granting: what the catalog does not vouch for, and policies do not allow, is not."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from keyrelay.model.analysis import ScriptedAnalysis, parse_analysis
from keyrelay.model.catalog import Catalog
from keyrelay.model.policy.policy import index
from keyrelay.model.tags import Tag
from keyrelay.services.granting import Grant, grant_of, granted
from keyrelay.stores.definitions.listing import Listing
from tests.samples import (
    MAIL_ACTION,
    MAIL_SECRET,
    OTHER_PROFILE,
    PROFILE,
    QUEUE_SECRET,
    a_catalog,
    a_policy,
    a_secret,
    sealed,
)

SCRIPT = "9" * 24
NORTH = Tag("site", "north")
TAGGED = {"name": "script", "tags": [{"key": "site", "value": "north"}]}


def catalog(*permissions: tuple[str, str, Sequence[str]]) -> Catalog:
    """Return a catalog in which the analysis, of the north, has these permissions."""
    policy = a_policy(
        {
            "name": "scripts",
            "targets": [["analysis"]],
            "permissions": [
                {"effect": effect, "action": [verb], "resource": resource}
                for effect, verb, resource in permissions
            ],
        }
    )
    analysis = ScriptedAnalysis(analysis=parse_analysis(TAGGED, SCRIPT, PROFILE))
    return replace(
        a_catalog(),
        analyses={(PROFILE, SCRIPT): analysis},
        policies={PROFILE: index([policy])},
    )


def grant(
    *permissions: tuple[str, str, Sequence[str]],
    kind: str = "secrets",
    verb: str = "access",
) -> Grant:
    found = grant_of(catalog(*permissions), PROFILE, SCRIPT, kind, verb)
    assert found is not None
    return found


ALL = ("allow", "access", ["secrets"])


def test_an_analysis_that_is_gone_is_granted_nothing() -> None:
    assert grant_of(catalog(ALL), PROFILE, "8" * 24, "secrets", "access") is None
    assert grant_of(catalog(ALL), OTHER_PROFILE, SCRIPT, "secrets", "access") is None


def test_without_a_policy_nothing_is_granted() -> None:
    assert not grant().permits(MAIL_SECRET)
    assert grant().reach.is_empty


@pytest.mark.parametrize(
    ("kind", "id_"),
    [("secrets", MAIL_SECRET), ("action", MAIL_ACTION), ("analysis", SCRIPT)],
)
def test_a_thing_of_each_kind_is_granted_where_a_policy_allows_it(
    kind: str, id_: str
) -> None:
    allowed = grant(("allow", "access", [kind]), kind=kind)

    assert allowed.permits(id_)
    assert not allowed.permits("8" * 24)
    assert not allowed.allowing("edit").permits(id_)


def test_a_denial_beats_what_is_allowed() -> None:
    denied = grant(ALL, ("deny", "access", ["secrets", "id", MAIL_SECRET]))

    assert denied.permits(QUEUE_SECRET)
    assert not denied.permits(MAIL_SECRET)


def test_a_new_thing_is_granted_by_its_tags() -> None:
    create = grant(("allow", "create", ["secrets", "tag_match", "site"]), verb="create")

    assert create.permits_tagged((NORTH,))
    assert not create.permits_tagged((Tag("site", "south"),))
    assert not create.permits_tagged(())


async def test_a_row_that_the_catalog_does_not_vouch_for_is_not_listed() -> None:
    asked = list[Listing]()

    async def fetch(listing: Listing) -> Sequence[str]:
        asked.append(listing)
        return [MAIL_SECRET, "put in by hand"]

    found = await granted(grant(ALL), Listing(), fetch, str)

    assert found == [MAIL_SECRET]
    assert asked == [Listing(reach=grant(ALL).reach)]


async def test_where_nothing_is_granted_nothing_is_read() -> None:
    async def fetch(_: Listing) -> Sequence[str]:
        raise AssertionError

    assert await granted(grant(), Listing(), fetch, str) == ()


def test_tag_keys_are_those_of_what_is_granted() -> None:
    mine = replace(a_secret(), tags=(NORTH, Tag("a", "b")))
    other = replace(a_secret(QUEUE_SECRET), tags=(Tag("c", "d"),))
    foreign = replace(mine, profile=OTHER_PROFILE, tags=(NORTH, Tag("e", "f")))
    secrets = {(each.profile, each.id): sealed(each) for each in (mine, other, foreign)}
    within = ("allow", "access", ["secrets", "tag_match", "site"])

    keys = replace(grant(within), catalog=replace(catalog(within), secrets=secrets))

    assert keys.tag_keys() == ["a", "site"]
