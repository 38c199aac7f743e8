"""Services of scripts: what a script asks is sent at once, and its end is told."""

import asyncio
import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.contract.smtp_peer import serving
from tests.e2e.api.conftest import Founded
from tests.e2e.api.furnished import analysis_token
from tests.e2e.canary import Canary, files_below
from tests.e2e.mails import caught, smtp_secret
from tests.e2e.queues import sqs_secret
from tests.installed.api import Answer, Api, answering
from tests.installed.home import Home
from tests.services import loopback
from tests.services.mailhog import MailHog
from tests.sinks import smtp, sqs
from tests.sinks.faults import Faults
from tests.sinks.smtp import SmtpSink
from tests.sinks.sqs import REFUSED_KEY, SqsSink

MAIL = "/analysis/services/email-smtp/send"
QUEUE = "/analysis/services/queue-sqs/send"
SENT = {"status": True, "result": "Successfully Sent"}
WRITTEN = {"to": "ada@example.com", "subject": "$VALUE$", "message": "It's $$9."}
POINT = {"variable": "temperature", "value": 9}
WRONG = 'wrong-"9d2e\\pä/ss+w0rd 5b'
RIGHT = "right-41aa/+%~?=&<7e"
ACCESS = "secret-access/KEY+canary%20c3d8"
USER = "canary-7c1f@example.com"
CANARIES = (
    Canary(name="wrong", value=WRONG, user=USER),
    Canary(name="right", value=RIGHT, user=USER),
    Canary(name="access key", value=ACCESS),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """An API process, as the script of an analysis sees it, and what it sends to."""

    api: Api
    full: Api
    home: Home
    good: SmtpSink
    mute: SmtpSink
    queue: SqsSink

    def mail(self, credential: object, **fields: object) -> Answer:
        body = {**WRITTEN, "smtp_secret": credential, **fields}
        return self.api.ask("POST", MAIL, body)

    def put(self, credential: object, data: object, **fields: object) -> Answer:
        body = {"sqs_secret": credential, "dataList": data, "batch_enabled": True}
        return self.api.ask("POST", QUEUE, {**body, **fields})

    def records(self) -> list[dict[str, Any]]:
        """Return the records of calls, newest first."""
        result = self.full.get("/audit?kind=change&amount=1000").result
        assert isinstance(result, dict)
        return [each for each in result["records"] if each["change"] == "called"]


@pytest.fixture(scope="module")
def script(
    shared: Founded,
    server_certificate: Path,
    mailhog: MailHog,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Script]:
    folder = tmp_path_factory.mktemp("sinks")
    with ExitStack() as stack:
        good = stack.enter_context(
            smtp.running(folder / "good", certificate=server_certificate)
        )
        mute = stack.enter_context(
            smtp.running(
                folder / "mute", certificate=server_certificate, faults=Faults(mute=1)
            )
        )
        queue = stack.enter_context(sqs.running(folder / "queue"))
        ports = (good.address.port, mute.address.port, mailhog.smtp_port)
        home = shared.home.under(allowing(*ports, endpoint=queue.endpoint))
        api = stack.enter_context(answering(home))
        yield Script(
            api=api.with_token(analysis_token(home)),
            full=api.with_token(shared.token),
            home=home,
            good=good,
            mute=mute,
            queue=queue,
        )


def allowing(*ports: int, endpoint: str = "") -> Mapping[str, str]:
    """Return the settings that permit these ports, and this endpoint for queues."""
    return {
        "KEYRELAY_SMTP_PORTS": ",".join(map(str, ports)),
        **({"KEYRELAY_SQS_ENDPOINTS": endpoint} if endpoint else {}),
    }


def credential_of(sink: SmtpSink, **fields: object) -> dict[str, object]:
    account = sink.address.account
    value = smtp_secret(sink.address.port, account.username, account.password)
    return {**value, **fields}


def key_to(queue: SqsSink, name: str, **fields: object) -> dict[str, object]:
    return {**sqs_secret(queue.queue_url(name)), **fields}


def test_a_mail_is_sent_as_the_script_wrote_it(
    script: Script, mailhog: MailHog
) -> None:
    user = "plain@example.com"
    credential = json.dumps(smtp_secret(mailhog.smtp_port, user, "any"))

    answer = script.mail(credential, cc="Eve <eve@example.com>")
    (found,) = caught(mailhog, user, 1)

    assert (answer.status, answer.document) == (200, SENT)
    assert found.recipients == {"ada@example.com", "eve@example.com"}
    headers = {name: found.mail[name] for name in ("From", "To", "Cc", "Subject")}
    assert headers == {
        "From": user,
        "To": "ada@example.com",
        "Cc": "Eve <eve@example.com>",
        "Subject": "$VALUE$",
    }
    assert found.mail.get_content().strip() == "It's $$9."


def test_a_mail_takes_a_file_along(script: Script, mailhog: MailHog) -> None:
    user = "file@example.com"
    report = bytes(range(256)) * 2000
    attachment = {
        "archive": base64.b64encode(report).decode(),
        "type": "base64",
        "filename": "Prüfbericht.pdf",
    }

    answer = script.mail(
        smtp_secret(mailhog.smtp_port, user, "any"),
        **{"from": "Cold, rooms", "html": "<b>9</b>", "attachment": attachment},
    )
    (found,) = caught(mailhog, user, 1)
    html = found.mail.get_body(("html",))
    (file,) = found.mail.iter_attachments()

    assert answer.status == 200
    assert found.mail["From"] == f'"Cold, rooms" <{user}>'
    assert html is not None
    assert html.get_content().strip() == "<b>9</b>"
    assert file.get_content() == report
    about = file.get_content_type(), file.get_filename()
    assert about == ("application/pdf", "Prüfbericht.pdf")


def test_queue_messages_are_sent_as_those_of_actions_are(script: Script) -> None:
    secret = key_to(script.queue, "orders")
    points = [POINT, {**POINT, "value": 8}]

    together = script.put(json.dumps(secret), points)
    each = script.put(secret, points, batch_enabled=False)
    names = script.queue.ledger.names()

    assert (together.document, each.document) == (SENT, SENT)
    bodies = [json.dumps(each, separators=(",", ":")) for each in (points, *points)]
    assert [names[body] for body in bodies] == [1, 1, 1]


def test_a_fifo_queue_is_given_a_group(script: Script) -> None:
    secret = key_to(script.queue, "orders.fifo")

    without = script.put(secret, [POINT])
    within = script.put(secret, [POINT], group_id="$DEVICE$")

    assert (without.status, within.status) == (400, 200)
    assert "needs a group_id" in str(without.message)


def test_no_data_is_a_bad_request(script: Script) -> None:
    answer = script.put(key_to(script.queue, "orders"), [None])

    assert answer.status == 400
    assert "there is nothing to send" in str(answer.message)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"smtp_secret": None}, "smtp_secret is missing"),
        ({"smtp_secret": "5" * 24}, "smtp_secret: "),
        ({"to": "ada"}, "to must hold addresses"),
        ({"message": None}, "needs a message, html or both"),
        ({"template": {"name": "alarm"}}, "there are no mail templates here"),
        ({"colour": "red"}, "has no field 'colour'"),
    ],
)
def test_what_is_no_mail_is_a_bad_request(
    script: Script, fields: Mapping[str, object], said: str
) -> None:
    answer = script.mail(credential_of(script.good), **fields)

    assert answer.status == 400
    assert said in str(answer.message)


def test_a_port_that_the_operator_does_not_permit_is_refused(script: Script) -> None:
    credential = credential_of(script.good, smtp_port=loopback.free_port())

    answer = script.mail(credential)

    assert answer.status == 400
    assert "smtp_secret: smtp_port must be" in str(answer.message)


def test_what_the_receiver_may_have_is_told_so(script: Script) -> None:
    answer = script.mail(credential_of(script.mute))

    assert answer.status == 409
    assert str(answer.message).startswith("the receiver may have it: ")
    assert script.mute.ledger.count() == 1


def test_each_call_is_recorded_without_its_credential(script: Script) -> None:
    wrong = credential_of(script.good, username=USER, password="no")
    script.mail(credential_of(script.good))
    script.mail(json.dumps(credential_of(script.good)))
    script.mail(wrong)

    refused, again, first = script.records()[:3]

    details = [each["detail"] for each in (first, again)]
    digest = first["detail"].partition("credential ")[2][:16]
    taken = "2.6.0 Taken (ada@example.com: 250 2.6.0 Taken)"
    assert details == [f"email-smtp with credential {digest}: delivered: {taken}"] * 2
    assert "deferred: the server answered AUTH with 535" in refused["detail"]
    assert digest not in refused["detail"]
    info = script.api.get("/info").result
    assert isinstance(info, dict)
    for record in (refused, again, first):
        assert (record["noun"], record["subject"]) == ("analysis", info["id"])
        assert info["token"]["prefix"] in record["actor"]


def test_a_refused_credential_is_not_tried_again_at_once(script: Script) -> None:
    wrong = credential_of(script.good, password="not this one")

    first, second = script.mail(wrong), script.mail(wrong)
    good = script.mail(credential_of(script.good))

    assert first.status == 400
    assert "the server answered AUTH with 535" in str(first.message)
    assert second.status == 429
    assert int(second.headers["Retry-After"]) > 30
    assert "smtp_secret is paused" in str(second.message)
    assert good.status == 200  # the same account, with its own password


async def test_no_credential_stands_anywhere(
    founded: Founded, authority: trustme.CA, script: Script, tmp_path: Path
) -> None:
    own = founded.copied(tmp_path / "founded")
    sasl = base64.b64encode(f"\0{USER}\0{WRONG}".encode())
    echoes = b"535 5.7.8 no: " + WRONG.encode() + b" " + sasl + b"\r\n"
    certificate = authority.issue_cert("127.0.0.1")
    async with (
        serving(certificate, {"AUTH": echoes}) as refusing,
        serving(certificate, {".": b""}) as mute,
        serving(certificate, {".": b"250 Ok, " + RIGHT.encode() + b"\r\n"}) as good,
    ):
        ports = (refusing.port, mute.port, good.port)
        settings = allowing(
            *ports, loopback.free_port(), endpoint=script.queue.endpoint
        )
        home = own.home.under({**settings, "KEYRELAY_LOG_FORMAT": "json"})
        told = await asyncio.to_thread(_told_of_all, home, ports, script.queue)
        assert sasl in refusing.everything

    database = dict(files_below(home.path))
    for canary in CANARIES:
        assert not canary.stands_in("\n".join(told).encode())
        for name, content in database.items():
            assert not canary.stands_in(content), name


def _told_of_all(home: Home, ports: tuple[int, ...], queue: SqsSink) -> list[str]:
    """Return all that is said when calls fail in every way, and when they do not."""
    passwords = dict(zip(ports, (WRONG, RIGHT, RIGHT), strict=True))
    closed = int(home.settings["KEYRELAY_SMTP_PORTS"].rpartition(",")[2])
    with answering(home) as running:
        api = running.with_token(analysis_token(home))
        mails: list[object] = [
            smtp_secret(port, USER, password) for port, password in passwords.items()
        ]
        mails += [
            json.dumps(smtp_secret(ports[0], USER, WRONG))[:-1],
            smtp_secret(closed, USER, WRONG),
            smtp_secret(25, USER, WRONG),
            smtp_secret(ports[0], WRONG, WRONG, server=WRONG),
            {**smtp_secret(ports[0], USER, WRONG), WRONG: WRONG},
            [WRONG],
        ]
        url = queue.queue_url("orders")
        keys: list[object] = [
            sqs_secret(url, "AKIA", ACCESS),
            sqs_secret(url, REFUSED_KEY, ACCESS),
            sqs_secret(f"https://{ACCESS}", "AKIA", ACCESS),
            json.dumps(sqs_secret(url, "AKIA", ACCESS))[1:],
        ]
        answers = [
            api.ask("POST", MAIL, {**WRITTEN, "smtp_secret": each}) for each in mails
        ]
        answers += [
            api.ask("POST", QUEUE, {"sqs_secret": each, "dataList": [POINT]})
            for each in keys
        ]
        said = [f"{each.headers} {each.document}" for each in answers]
    statuses = [each.status for each in answers]
    assert statuses[:3] == [400, 409, 200]
    assert statuses[3:10] == [400, 409, *[400] * 4, 200]
    assert all(status == 400 for status in statuses[10:])
    return said + running.command.said
