"""Events, through what both of TagoIO's clients open their streams with."""

from tests.sdk.client import Sdk

TAGS = [{"key": "env", "value": "test"}]


def test_a_client_follows_a_channel(sdk: Sdk, mark: str) -> None:
    assert sdk.call("events.follow", "secrets") == "opened"

    secret = {"key": mark, "value": "hunter2 is no password", "tags": TAGS}
    id_ = sdk.document("secrets.create", secret)["id"]
    sdk.call("secrets.delete", id_)

    for change in ("created", "deleted"):
        told = sdk.document("events.next")
        payload = told["payload"]
        assert isinstance(payload, dict)
        assert told["channel"] == "secrets"
        assert (payload["id"], payload["change"]) == (id_, change)
