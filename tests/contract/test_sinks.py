"""Sinks: what they say they took is in the ledger, as often as they took it."""

import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionClosedError as HungUp

from tests.services.localstack import LocalStack
from tests.sinks import smtp, sqs
from tests.sinks.faults import Faults
from tests.sinks.smtp import SmtpSink
from tests.sinks.smtp_protocol import Account, Dialogue, Mail, Reply, StartTls
from tests.sinks.sqs import SqsSink

LOGIN = b"EHLO us\r\nAUTH PLAIN AHVzZXIAcGFzcw==\r\n"
ENVELOPE = b"MAIL FROM:<a@example.test> SIZE=10\r\nRCPT TO:<b@example.test>\r\nDATA\r\n"


@pytest.fixture(scope="module", name="mails")
def running_smtp(
    tmp_path_factory: pytest.TempPathFactory, server_certificate: Path
) -> Iterator[SmtpSink]:
    directory = tmp_path_factory.mktemp("smtp")
    with smtp.running(directory, certificate=server_certificate) as sink:
        yield sink


@pytest.fixture(scope="module", name="messages")
def running_sqs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqsSink]:
    with sqs.running(tmp_path_factory.mktemp("sqs")) as sink:
        yield sink


def test_a_mail_is_taken_over_starttls_after_a_login(
    mails: SmtpSink, ca_file: Path
) -> None:
    with logged_in(mails, ca_file) as client:
        client.send_message(a_mail("<one@example.test>"))

    assert mails.ledger.names()["<one@example.test>"] == 1


def test_a_mail_is_in_the_ledger_as_often_as_it_was_taken(
    mails: SmtpSink, ca_file: Path
) -> None:
    with logged_in(mails, ca_file) as client:
        for _ in range(3):
            client.send_message(a_mail("<thrice@example.test>"))

    assert mails.ledger.names()["<thrice@example.test>"] == 3


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_a_wrong_password_is_refused(
    mails: SmtpSink, ca_file: Path, mechanism: str
) -> None:
    with encrypted(mails, ca_file) as client:
        client.user, client.password = mails.address.account.username, "wrong"
        attempt = getattr(client, f"auth_{mechanism.lower()}")

        with pytest.raises(smtplib.SMTPAuthenticationError) as refusal:
            client.auth(mechanism, attempt)

    assert refusal.value.smtp_code == 535


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("initial", [True, False], ids=["at once", "when asked"])
def test_the_right_password_opens(
    mails: SmtpSink, ca_file: Path, mechanism: str, *, initial: bool
) -> None:
    with encrypted(mails, ca_file) as client:
        client.user, client.password = (
            mails.address.account.username,
            mails.address.account.password,
        )
        attempt = getattr(client, f"auth_{mechanism.lower()}")

        code, _ = client.auth(mechanism, attempt, initial_response_ok=initial)

    assert code == 235


def test_no_mail_is_taken_without_a_login(mails: SmtpSink, ca_file: Path) -> None:
    with encrypted(mails, ca_file) as client:
        code, _ = client.mail("a@example.test")

    assert code == 530


def test_no_login_is_taken_in_clear(mails: SmtpSink) -> None:
    with smtplib.SMTP(mails.address.host, mails.address.port) as client:
        client.ehlo()

        with pytest.raises(smtplib.SMTPNotSupportedError):
            client.login(mails.address.account.username, mails.address.account.password)
        code, _ = client.docmd("AUTH", "PLAIN AGEAYg==")

    assert code == 503


@pytest.mark.parametrize("size", [1, 7, 4096], ids="{} bytes at a time".format)
def test_what_comes_in_one_write_is_answered_in_order(size: int) -> None:
    dialogue = a_dialogue()
    said = LOGIN + (ENVELOPE + b"Message-ID: <x@y>\r\n\r\n..\r\n.\r\n") * 2

    steps = [
        step
        for start in range(0, len(said), size)
        for step in steps_of(dialogue, said[start : start + size])
    ]

    codes = [step.text[:3] if isinstance(step, Reply) else b"dot" for step in steps]
    assert codes == [b"250", b"235", *[b"250", b"250", b"354", b"dot"] * 2]
    mail = Mail("<x@y>", ("b@example.test",))
    assert [step for step in steps if isinstance(step, Mail)] == [mail, mail]


def test_an_empty_mail_ends_too() -> None:
    *_, last = steps_of(a_dialogue(), LOGIN + ENVELOPE + b".\r\n")

    assert last == Mail("", ("b@example.test",))


def test_what_was_said_before_the_handshake_is_forgotten() -> None:
    dialogue = Dialogue(account=Account(username="user", password="pass"))
    dialogue.receive(b"EHLO us\r\nSTARTTLS\r\n" + LOGIN)
    dialogue.next()
    assert dialogue.next() == StartTls()

    dialogue.encrypt()

    assert dialogue.next() is None


def test_a_busy_sink_keeps_nothing(
    tmp_path: Path, server_certificate: Path, ca_file: Path
) -> None:
    with (
        smtp.running(
            tmp_path, certificate=server_certificate, faults=Faults(busy=1)
        ) as sink,
        logged_in(sink, ca_file) as client,
        pytest.raises(smtplib.SMTPDataError) as refusal,
    ):
        client.send_message(a_mail("<refused@example.test>"))

    assert refusal.value.smtp_code == 451
    assert sink.ledger.count() == 0


def test_a_mute_sink_keeps_the_mail_and_hangs_up(
    tmp_path: Path, server_certificate: Path, ca_file: Path
) -> None:
    with (
        smtp.running(
            tmp_path, certificate=server_certificate, faults=Faults(mute=1)
        ) as sink,
        logged_in(sink, ca_file) as client,
        pytest.raises(smtplib.SMTPServerDisconnected),
    ):
        client.send_message(a_mail("<kept@example.test>"))

    assert sink.ledger.names() == {"<kept@example.test>": 1}


def test_a_mail_whose_client_hangs_up_before_the_answer_is_not_kept(
    tmp_path: Path, server_certificate: Path, ca_file: Path
) -> None:
    late = Faults(delay=timedelta(seconds=0.3))
    with smtp.running(tmp_path, certificate=server_certificate, faults=late) as sink:
        with logged_in(sink, ca_file) as client:
            client.send_message(a_mail("<waited@example.test>"))
        with logged_in(sink, ca_file) as client:
            client.mail("a@example.test")
            client.rcpt("b@example.test")
            client.docmd("DATA")
            client.send(b"Message-ID: <gone@example.test>\r\n\r\n.\r\n")
            assert client.sock is not None
            client.sock.shutdown(socket.SHUT_RDWR)
            client.close()
        with logged_in(sink, ca_file) as client:
            client.send_message(a_mail("<last@example.test>"))

        names = sink.ledger.names()

    assert set(names) == {"<waited@example.test>", "<last@example.test>"}


def test_the_sink_ends_with_the_block(tmp_path: Path, server_certificate: Path) -> None:
    with smtp.running(tmp_path, certificate=server_certificate) as sink:
        socket.create_connection((sink.address.host, sink.address.port)).close()

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((sink.address.host, sink.address.port))


@pytest.mark.parametrize("name", ["standard", "line.fifo"])
def test_digests_are_those_of_localstack(
    messages: SqsSink, localstack: LocalStack, name: str
) -> None:
    ids = fifo_ids("one") if name.endswith(".fifo") else {}
    attributes = {"FifoQueue": "true"} if ids else {}
    other = client_of(localstack)
    created = other.create_queue(QueueName=name, Attributes=attributes)
    message = {
        "MessageBody": f"grüße {name}",
        "MessageAttributes": {
            "b": {"DataType": "String", "StringValue": "ü"},
            "a": {"DataType": "Number", "StringValue": "1"},
        },
        **ids,
    }

    theirs = other.send_message(QueueUrl=created["QueueUrl"], **message)
    ours = client_of(messages).send_message(
        QueueUrl=messages.queue_url(name), **message
    )

    for digest in ("MD5OfMessageBody", "MD5OfMessageAttributes"):
        assert ours[digest] == theirs[digest]
    assert messages.ledger.names()["one" if ids else f"grüße {name}"] == 1


def test_each_message_of_a_batch_is_in_the_ledger(messages: SqsSink) -> None:
    bodies = [f"of a batch {number}" for number in range(10)]

    answer = client_of(messages).send_message_batch(
        QueueUrl=messages.queue_url("standard"), Entries=entries(bodies)
    )

    assert [entry["Id"] for entry in answer["Successful"]] == list("0123456789")
    names = messages.ledger.names()
    assert [names[body] for body in bodies] == [1] * 10


@pytest.mark.parametrize(
    ("bodies", "code"),
    [
        ([], "EmptyBatchRequest"),
        (["x"] * 11, "TooManyEntriesInBatchRequest"),
        (["x" * 600_000] * 2, "BatchRequestTooLong"),
    ],
    ids=["none", "eleven", "too long"],
)
def test_a_batch_has_the_limits_of_sqs(
    messages: SqsSink, bodies: list[str], code: str
) -> None:
    with pytest.raises(ClientError) as refusal:
        client_of(messages).send_message_batch(
            QueueUrl=messages.queue_url("standard"), Entries=entries(bodies)
        )

    assert refusal.value.response["Error"]["Code"] == code


def test_a_fifo_queue_refuses_the_entry_without_a_group(messages: SqsSink) -> None:
    answer = client_of(messages).send_message_batch(
        QueueUrl=messages.queue_url("line.fifo"), Entries=entries(["no group"])
    )

    (failed,) = answer["Failed"]
    assert failed["SenderFault"]
    assert "no group" not in messages.ledger.names()


def test_a_queue_has_a_url_and_attributes(messages: SqsSink) -> None:
    queue = client_of(messages)
    url = queue.get_queue_url(QueueName="line.fifo")["QueueUrl"]

    answer = queue.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])

    assert answer["Attributes"] == {
        "MaximumMessageSize": "1048576",
        "FifoQueue": "true",
    }


def test_a_busy_queue_fails_some_entries_and_keeps_the_others(tmp_path: Path) -> None:
    bodies = [str(number) for number in range(10)]
    with sqs.running(tmp_path, faults=Faults(busy=0.5, seed=1)) as sink:
        answer = client_of(sink).send_message_batch(
            QueueUrl=sink.queue_url("standard"), Entries=entries(bodies)
        )

    taken = {bodies[int(entry["Id"])] for entry in answer["Successful"]}
    assert 0 < len(taken) < 10
    assert len(answer["Failed"]) == 10 - len(taken)
    assert set(sink.ledger.names()) == taken


def test_a_mute_queue_keeps_the_message_and_hangs_up(tmp_path: Path) -> None:
    with (
        sqs.running(tmp_path, faults=Faults(mute=1)) as sink,
        pytest.raises((HungUp, HTTPClientError)),
    ):
        client_of(sink).send_message(
            QueueUrl=sink.queue_url("standard"), MessageBody="kept"
        )

    assert sink.ledger.names() == {"kept": 1}


def steps_of(dialogue: Dialogue, said: bytes) -> list[object]:
    dialogue.receive(said)
    return list(iter(dialogue.next, None))


def a_dialogue() -> Dialogue:
    account = Account(username="user", password="pass")
    return Dialogue(account=account, encrypted=True)


@contextmanager
def encrypted(sink: SmtpSink, ca_file: Path) -> Iterator[smtplib.SMTP]:
    with smtplib.SMTP(sink.address.host, sink.address.port) as client:
        client.starttls(context=ssl.create_default_context(cafile=ca_file))
        client.ehlo()
        yield client


@contextmanager
def logged_in(sink: SmtpSink, ca_file: Path) -> Iterator[smtplib.SMTP]:
    with encrypted(sink, ca_file) as client:
        client.login(sink.address.account.username, sink.address.account.password)
        yield client


def a_mail(message_id: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = "alice@example.test"
    mail["To"] = "bob@example.test"
    mail["Message-ID"] = message_id
    mail.set_content("Hello, Bob.")
    return mail


def client_of(sink: SqsSink | LocalStack) -> Any:
    return boto3.client(
        "sqs",
        endpoint_url=sink.endpoint,
        region_name=sink.region,
        aws_access_key_id=sink.access_key,
        aws_secret_access_key=sink.secret_key,
        config=Config(retries={"total_max_attempts": 1}),
    )


def fifo_ids(name: str) -> dict[str, str]:
    return {"MessageGroupId": "group", "MessageDeduplicationId": name}


def entries(bodies: list[str]) -> list[dict[str, str]]:
    return [
        {"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)
    ]
