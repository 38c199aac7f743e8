"""Consoles, through both of TagoIO's clients: sent, shown and followed."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.sdk.client import Sdk

AT = "2026-11-28T06:00:00.123"
HOUR = timedelta(hours=1)


@pytest.fixture
def script(client: Sdk, sdk: Sdk, mark: str) -> Sdk:
    """A client as a script of an analysis uses it, with its main token."""
    made = sdk.document("analysis.create", {"name": mark})
    return client.bearing(str(made["token"]))


def analysis_of(script: Sdk) -> str:
    return str(script.document("device.info")["id"])


def test_a_script_s_lines_are_shown_in_their_order(sdk: Sdk, script: Sdk) -> None:
    id_, texts = analysis_of(script), ["one", "two\nlines", "half é 漢"]

    told = [script.call("console.log", each) for each in texts]

    assert told == ["Console Message Successfully Sent"] * 3
    assert sdk.document("analysis.info", id_)["console"] == texts
    (row,) = sdk.rows(
        "analysis.list", {"fields": ["id", "console"], "filter": {"id": id_}}
    )
    assert row == {"id": id_, "console": texts}


def test_a_line_is_followed_with_the_time_that_the_script_gave_it(
    sdk: Sdk, script: Sdk
) -> None:
    channel = f"analysis_console.{analysis_of(script)}"
    assert sdk.call("events.follow", channel) == "opened"

    script.call("console.log", "hello", AT)
    told = sdk.document("events.next")

    assert told["payload"] == {"timestamp": f"{AT}Z", "message": "hello"}


def test_without_a_time_it_is_the_client_s_own(sdk: Sdk, script: Sdk) -> None:
    channel = f"analysis_console.{analysis_of(script)}"
    sdk.call("events.follow", channel)

    script.call("console.log", "hello")
    payload = sdk.document("events.next")["payload"]

    assert isinstance(payload, dict)
    at = datetime.fromisoformat(str(payload["timestamp"]))
    # Python's client sends the time of its machine without the zone.
    assert abs(datetime.now(UTC) - at) < 15 * HOUR


def test_a_profile_s_token_sends_no_lines(sdk: Sdk) -> None:
    assert "Denied" in sdk.refusal("console.log", "hello")
