"""Grants, through both of TagoIO's clients: a script does what policies allow it."""

from collections.abc import Sequence

import pytest

from tests.sdk.client import Sdk
from tests.sdk.test_secrets import UNKNOWN

DENIED = "Authorization Denied"


def tagged(site: str) -> list[dict[str, str]]:
    return [{"key": "site", "value": site}]


def secret(key: str, site: str) -> dict[str, object]:
    return {"key": key, "value": "a text", "tags": tagged(site)}


def created(sdk: Sdk, key: str, site: str) -> str:
    return str(sdk.document("secrets.create", secret(key, site))["id"])


@pytest.fixture
def script(sdk: Sdk, mark: str) -> Sdk:
    """The client of an analysis whose site nothing else has, with its main token."""
    made = sdk.document("analysis.create", {"name": mark, "tags": tagged(mark)})
    return sdk.bearing(str(made["token"]))


def allow(sdk: Sdk, mark: str, actions: Sequence[str], kind: str = "secrets") -> None:
    """Let the analysis of that site do that to what has its site."""
    resource = [kind, "tag_match", "site"]
    permission = {"effect": "allow", "action": actions, "resource": resource}
    sdk.call(
        "access.create",
        {
            "name": f"{mark} {actions} {kind}",
            "targets": [["analysis", "tag.key", "site", "tag.value", mark]],
            "permissions": [permission],
        },
    )


def test_a_script_sees_the_secrets_that_policies_allow(
    sdk: Sdk, script: Sdk, mark: str
) -> None:
    ours = [created(sdk, f"{mark}-{n}", mark) for n in range(5)]
    theirs = created(sdk, f"{mark}-other", "elsewhere")
    assert script.call("secrets.list") == []
    allow(sdk, mark, ["access"])

    pages = [script.rows("secrets.list", {"page": n, "amount": 2}) for n in (1, 2, 3)]

    assert [[row["id"] for row in page] for page in pages] == [
        ours[:2],
        ours[2:4],
        ours[4:],
    ]
    assert script.document("secrets.info", ours[0])["tags"] == tagged(mark)
    assert script.refusal("secrets.info", theirs) == DENIED
    assert script.refusal("secrets.info", UNKNOWN) == DENIED


def test_a_script_makes_and_edits_secrets_as_far_as_policies_allow(
    sdk: Sdk, script: Sdk, mark: str
) -> None:
    new = secret(mark, mark)
    assert script.refusal("secrets.create", new) == DENIED
    allow(sdk, mark, ["create", "edit"])

    id_ = script.document("secrets.create", new)["id"]
    edited = script.call("secrets.edit", id_, {"value": "another text"})

    assert edited == "Successfully Updated"
    elsewhere = {"tags": tagged("elsewhere")}
    assert script.refusal("secrets.edit", id_, elsewhere) == DENIED
    other = secret(f"{mark}-other", "elsewhere")
    assert script.refusal("secrets.create", other) == DENIED
    assert script.refusal("secrets.delete", id_) == DENIED
    allow(sdk, mark, ["delete"])
    assert script.call("secrets.delete", id_) == "Successfully Removed"
    assert script.refusal("secrets.delete", id_) == DENIED


def test_a_script_sees_the_analyses_and_the_tag_keys_that_policies_allow(
    sdk: Sdk, script: Sdk, mark: str
) -> None:
    created(sdk, mark, mark)
    assert script.call("tags.getTagKeys", "secrets") == []
    assert script.call("analysis.list") == []
    allow(sdk, mark, ["access"], "analysis")
    allow(sdk, mark, ["access"])

    (row,) = script.rows("analysis.list")

    assert row["name"] == mark
    assert script.call("tags.getTagKeys", "secrets") == ["site"]


def test_a_script_is_denied_what_no_policy_can_name(script: Sdk) -> None:
    for call in ("access.list", "account.info"):
        assert script.refusal(call) == DENIED
    assert script.refusal("profile.info", "current") == DENIED
