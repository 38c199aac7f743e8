"""Releasing: a policy made with an SDK lets an action use its secret, until it goes."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.e2e.mails import caught, mail_action, smtp_secret
from tests.faults.relay import ALLOW
from tests.installed.api import Api, answering
from tests.installed.home import Home
from tests.sdk.client import Sdk, running
from tests.sdk.conftest import NewParts, Served, home_on, sdk_command
from tests.sdk.test_secrets import a_secret
from tests.services import deadline
from tests.services.mailhog import MailHog

WITHIN = timedelta(seconds=30)


@pytest.fixture
def home(tmp_path: Path, mailhog: MailHog, ca_file: Path, new_parts: NewParts) -> Home:
    mailing = {
        "KEYRELAY_SMTP_PORTS": str(mailhog.smtp_port),
        "KEYRELAY_SMTP_CA_FILE": str(ca_file),
        "KEYRELAY_EGRESS_ALLOW": "127.0.0.0/8",
    }
    return home_on(tmp_path / "home", {**new_parts(), **mailing})


@pytest.fixture
def processes(home: Home) -> Iterator[tuple[Api, Api]]:
    """Two of the API, beside a worker."""
    with (
        answering(home) as one,
        answering(home) as other,
        home.under({"KEYRELAY_PROBES": "off"}).running("worker") as worker,
    ):
        worker.await_said("worker started")
        token = Served(home=home, url=one.url).new_token(profile="default")
        yield one.with_token(token), other.with_token(token)


def test_a_policy_releases_a_secret_until_it_is_deleted(
    processes: tuple[Api, Api], mailhog: MailHog, request: pytest.FixtureRequest
) -> None:
    one, other = processes
    assert one.token is not None
    sender = "released@example.com"
    with running(sdk_command("python", request), one.url) as process:
        sdk = Sdk(name="python", process=process, token=one.token)
        value = smtp_secret(mailhog.smtp_port)
        secret = sdk.document("secrets.create", a_secret("office", value))["id"]
        does = mail_action(str(secret), {"from": sender})
        made = sdk.document("actions.create", {"name": "tell", "action": does})
        policy = sdk.document("access.create", ALLOW)["am_id"]

        released = outcome_of(one, made["action"])
        sdk.call("access.delete", policy)
        denied = [outcome_of(api, made["action"]) for api in (one, other)]

    assert released == "done"
    assert len(caught(mailhog, sender, 1)) == 1
    assert denied == ["buried", "buried"]


def outcome_of(api: Api, action: object) -> str:
    """Publish a trigger, and return the state that it ends in."""
    point = {"variable": "temperature", "value": 9.5}
    published = api.ask("POST", "/triggers", {"action": action, "data": [point]})
    assert isinstance(published.result, list)
    (accepted,) = published.result
    assert accepted["state"] == "accepted"

    def state() -> str:
        return api.get(f"/triggers/{accepted['id']}").field("state")

    assert deadline.met(lambda: state() in {"done", "buried"}, WITHIN), state()
    return state()
