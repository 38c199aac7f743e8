"""Services of scripts, through both of TagoIO's clients: what is sent, and refusals."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.mails import smtp_secret
from tests.e2e.queues import sqs_secret
from tests.installed.api import answering, token_of
from tests.sdk.client import Sdk, running
from tests.sdk.conftest import NewParts, home_on, sdk_command
from tests.sinks import smtp, sqs
from tests.sinks.smtp import SmtpSink
from tests.sinks.sqs import SqsSink

WRITTEN = {"to": "ada@example.com", "subject": "Rooms", "message": "9 °C"}
POINT = {"variable": "temperature", "value": 9}
SENT = "Successfully Sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A client with an analysis' token, and where its services send to."""

    sdk: Sdk
    mails: SmtpSink
    queue: SqsSink

    @property
    def smtp_secret(self) -> dict[str, object]:
        account = self.mails.address.account
        port = self.mails.address.port
        return {**smtp_secret(port, account.username, account.password)}

    @property
    def sqs_secret(self) -> dict[str, object]:
        return {**sqs_secret(self.queue.queue_url("orders"))}

    def queued(self, *data: object) -> dict[str, object]:
        """Return what this client is called with: one of them makes the list itself."""
        if self.sdk.name == "python":
            return {"dataList": [*data] or [None], "batch_enabled": True}
        return {"data": [*data]} if data else {}


@pytest.fixture(scope="module", params=["python", "javascript"])
def script(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    ca_file: Path,
    server_certificate: Path,
    new_parts: NewParts,
) -> Iterator[Script]:
    folder = tmp_path_factory.mktemp("services")
    with ExitStack() as stack:
        mails = stack.enter_context(
            smtp.running(folder / "mails", certificate=server_certificate)
        )
        queue = stack.enter_context(sqs.running(folder / "queue"))
        settings = {
            "KEYRELAY_SMTP_CA_FILE": str(ca_file),
            "KEYRELAY_EGRESS_ALLOW": "127.0.0.0/8",
            "KEYRELAY_SMTP_PORTS": str(mails.address.port),
            "KEYRELAY_SQS_ENDPOINTS": queue.endpoint,
        }
        home = home_on(folder / "home", {**new_parts(), **settings})
        api = stack.enter_context(answering(home))
        name = request.param
        process = stack.enter_context(running(sdk_command(name, request), api.url))
        made = api.with_token(token_of(home, "full")).ask(
            "POST", "/analysis", {"name": "rooms", "run_on": "external"}
        )
        sdk = Sdk(name=name, process=process, token=made.field("token"))
        yield Script(sdk=sdk, mails=mails, queue=queue)


@pytest.mark.parametrize("written", [json.dumps, dict])
def test_a_mail_is_sent_with_a_secret_of_the_environment(
    script: Script, written: type
) -> None:
    before = script.mails.ledger.count()
    mail = {**WRITTEN, "smtp_secret": written(script.smtp_secret)}

    told = script.sdk.call("services.mail", mail)

    assert told == SENT
    assert script.mails.ledger.count() == before + 1


def test_a_mail_goes_to_a_list_of_recipients(script: Script) -> None:
    to = ["ada@example.com", "bob@example.com"]
    mail = {**WRITTEN, "to": to, "smtp_secret": script.smtp_secret}

    assert script.sdk.call("services.mail", mail) == SENT


def test_data_points_are_sent_as_one_queue_message(script: Script) -> None:
    data = [POINT, {**POINT, "value": 8}]
    secret = json.dumps(script.sqs_secret)
    body = json.dumps(data, separators=(",", ":"))
    before = script.queue.ledger.count()

    told = script.sdk.call(
        "services.queue", {"sqs_secret": secret, **script.queued(*data)}
    )

    assert told == SENT
    assert script.queue.ledger.count() == before + 1
    assert script.queue.ledger.entries()[-1].name == body


def test_no_data_is_said_in_a_sentence(script: Script) -> None:
    asked = {"sqs_secret": script.sqs_secret, **script.queued()}

    assert "there is nothing to send" in script.sdk.refusal("services.queue", asked)


def test_a_wrong_password_is_said_in_a_sentence(script: Script) -> None:
    secret = {**script.smtp_secret, "password": f"not of {script.sdk.name}"}

    told = script.sdk.refusal("services.mail", {**WRITTEN, "smtp_secret": secret})
    again = script.sdk.refusal("services.mail", {**WRITTEN, "smtp_secret": secret})

    assert "the server answered AUTH with 535" in told
    assert "smtp_secret is paused" in again


def test_a_secret_that_no_policy_releases_is_said_in_a_sentence(
    script: Script,
) -> None:
    assert "smtp_secret is missing" in script.sdk.refusal("services.mail", WRITTEN)
