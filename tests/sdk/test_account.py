"""Account, through both of TagoIO's clients: whose token it is, and what it may do."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.installed.api import answering
from tests.sdk.client import Sdk, running
from tests.sdk.conftest import NewParts, Served, home_on, sdk_command
from tests.sdk.test_access import a_policy
from tests.sdk.test_secrets import UNKNOWN, a_secret

DENIED = "Authorization Denied"


def test_a_token_tells_its_profile(sdk: Sdk) -> None:
    profile = sdk.document("profile.info", "current")["info"]
    account = sdk.document("account.info")

    assert isinstance(profile, dict)
    assert profile.keys() >= {"id", "name"}
    assert len(profile["id"]) == 24
    assert account["name"] == profile["name"]
    assert sdk.document("device.info")["name"] == profile["name"]


def test_javascripts_details_of_a_token_are_answered(sdk: Sdk) -> None:
    if sdk.name != "javascript":
        pytest.skip("the other client has no Authorization")

    assert sdk.document("authorization.info", True) == sdk.document("device.info")  # noqa: FBT003 - its own argument


CALLS: Sequence[tuple[str, Sequence[object]]] = (
    ("secrets.list", ()),
    ("secrets.create", (a_secret("key"),)),
    ("actions.info", (UNKNOWN,)),
    ("access.delete", (UNKNOWN,)),
    ("tags.getTagKeys", ("secrets",)),
    ("account.info", ()),
)


@pytest.mark.parametrize("name", ["python", "javascript"])
def test_a_token_that_is_none_is_denied_and_a_client_that_goes_on_has_to_wait(
    tmp_path: Path,
    new_parts: NewParts,
    name: str,
    request: pytest.FixtureRequest,
) -> None:
    home = home_on(tmp_path / "home", new_parts())
    right = Served(home=home, url="").new_token(profile="default")
    wrong = ("p-", f"p-{'x' * 36}", "nonsense")
    command = sdk_command(name, request)
    with answering(home) as api, running(command, api.url) as process:
        sdk = Sdk(name=name, process=process, token=wrong[1])

        denied = [sdk.refusal(call, *given) for call, given in CALLS]
        denied += [sdk.bearing(token).refusal("secrets.list") for token in wrong]
        waiting = [sdk.refusal("secrets.list") for _ in range(4)][-1]
        rows = sdk.bearing(right).rows("secrets.list")

    assert {*denied} == {DENIED}
    assert re.fullmatch(r"Too many requests \(Retry-After: \d+\)", waiting)
    assert rows == []


def test_a_token_may_do_what_its_permission_says(client: Sdk, served: Served) -> None:
    profile = f"of-{client.name}"
    served.home.run("profile", "create", profile)
    read, write, full = (
        client.bearing(served.new_token(permission, profile))
        for permission in ("read", "write", "full")
    )

    assert read.refusal("secrets.create", a_secret("key")) == DENIED
    id_ = write.document("secrets.create", a_secret("key"))["id"]
    assert read.rows("secrets.list") == [{"id": id_, "key": "key"}]
    assert read.refusal("secrets.edit", id_, {"value": "x"}) == DENIED
    assert read.refusal("secrets.delete", id_) == DENIED
    assert write.refusal("access.create", a_policy("policy")) == DENIED
    assert full.document("access.create", a_policy("policy")).keys() == {"am_id"}
    assert len(write.rows("access.list")) == 1


def test_what_another_profile_has_is_not_there(
    client: Sdk, sdk: Sdk, served: Served, mark: str
) -> None:
    theirs = sdk.document("secrets.create", a_secret(mark))["id"]
    other = client.bearing(served.new_token())

    assert other.rows("secrets.list") == []
    assert other.refusal("secrets.info", theirs) == "Secret Not Found"
    assert other.refusal("secrets.delete", theirs) == "Secret Not Found"
