"""Deploying, in the calls of TagoIO's command-line tool: deploy, run, console, copy."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.installed.command import Command
from tests.sdk.client import Sdk, last
from tests.sdk.conftest import Served
from tests.sdk.test_analyses import created, downloaded, uploaded

SCRIPT = b"""
import json, os, sys
scope = json.loads(os.environ["T_ANALYSIS_DATA"])
environment = json.loads(os.environ["T_ANALYSIS_ENV"])
print("scope", scope[0]["variable"], scope[0]["value"])
print("environment", [pair["key"] for pair in environment], file=sys.stderr)
"""
SCOPE = [{"variable": "temperature", "value": 9}]
LINES = ["scope temperature 9", "environment ['limit']"]


@pytest.fixture
def hosting(served: Served, bwrap: Path) -> Iterator[Command]:
    """A worker that performs hosted runs."""
    assert bwrap.exists()
    hosts = {"KEYRELAY_ANALYSES": "hosted", "KEYRELAY_PROBES": "off"}
    with served.home.under(hosts).running("worker") as worker:
        worker.await_said("worker started")
        yield worker


def deployed(sdk: Sdk, name: str) -> str:
    variables = [{"key": "limit", "value": 8}]
    id_ = created(
        sdk, {"name": name, "runtime": "python-rt2025", "variables": variables}
    )
    uploaded(sdk, id_, SCRIPT)
    return id_


@pytest.mark.usefixtures("hosting")
def test_a_script_is_deployed_run_and_followed(sdk: Sdk, mark: str) -> None:
    id_ = deployed(sdk, mark)
    sdk.call("events.follow", f"analysis_console.{id_}")

    answer = sdk.document("analysis.run", id_, SCOPE)

    said = [str(message_of(sdk)) for _ in range(3)]
    assert str(answer["analysis_token"]).startswith("a-")
    assert said[:2] == LINES
    assert said[2].startswith("The script ended well. (")
    info = sdk.document("analysis.info", id_)
    assert info["console"] == said


def test_a_run_waits_for_a_process_that_hosts_it(sdk: Sdk, mark: str) -> None:
    id_ = deployed(sdk, mark)

    answer = sdk.document("analysis.run", id_)

    script = sdk.bearing(str(answer["analysis_token"]))
    assert script.document("device.info")["id"] == id_
    assert sdk.document("analysis.info", id_)["console"] == []


def test_what_cannot_be_run_is_refused(sdk: Sdk, mark: str) -> None:
    empty = created(sdk, {"name": f"{mark} empty"})
    inactive = deployed(sdk, mark)
    sdk.call("analysis.edit", inactive, {"active": False})

    assert "has no script" in sdk.refusal("analysis.run", empty)
    assert "is inactive" in sdk.refusal("analysis.run", inactive)
    assert sdk.refusal("analysis.run", "0" * 24) == "Analysis can't be found"


def test_a_copy_has_the_script_once_it_is_uploaded_again(
    served: Served, sdk: Sdk, mark: str
) -> None:
    original = deployed(sdk, mark)

    sdk.document("analysis.info", original)
    copy = created(sdk, last({"name": f"{mark} copy"}))
    uploaded(sdk, copy, downloaded(served, sdk, original))

    assert downloaded(served, sdk, copy) == SCRIPT


def message_of(sdk: Sdk) -> object:
    payload = sdk.document("events.next")["payload"]
    assert isinstance(payload, dict)
    return payload["message"]
