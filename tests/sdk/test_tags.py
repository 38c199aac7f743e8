"""Tags, through both of TagoIO's clients: the keys that are in use."""

import pytest

from tests.sdk.client import Sdk
from tests.sdk.conftest import Served


@pytest.fixture
def sdk(client: Sdk, served: Served) -> Sdk:
    """With a token of a profile of its own, where nothing else has a tag."""
    return client.bearing(served.new_token())


def test_the_keys_of_tags_are_listed_once_each(sdk: Sdk) -> None:
    tags = [{"key": key, "value": "v"} for key in ("site", "door")]
    for key, carried in (("first", tags), ("second", tags[:1])):
        secret = {"key": key, "value": "hunter2", "tags": carried}
        sdk.call("secrets.create", secret)

    assert sdk.call("tags.getTagKeys", "secrets") == ["door", "site"]
    assert sdk.call("tags.getTagKeys", "action") == []


def test_there_are_no_keys_where_nothing_is_tagged(sdk: Sdk) -> None:
    assert sdk.call("tags.getTagKeys", "secrets") == []


def test_a_kind_that_has_no_tags_here_is_refused(sdk: Sdk) -> None:
    assert sdk.refusal("tags.getTagKeys", "device").startswith("tags are kept of ")
