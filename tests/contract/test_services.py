"""Services: each of the real ones takes a message and shows it."""

import smtplib
import ssl
from email.message import EmailMessage
from pathlib import Path

import boto3
import pytest

from tests.services.localstack import LocalStack
from tests.services.mailhog import MailHog
from tests.services.postfix import Postfix
from tests.services.postgresql import PostgreSql

SUBJECT = "Grüße aus dem Test"


def test_mailhog_shows_a_mail_sent_over_starttls(
    mailhog: MailHog, ca_file: Path
) -> None:
    mailhog.clear()

    with smtplib.SMTP(mailhog.host, mailhog.smtp_port) as client:
        client.starttls(context=ssl.create_default_context(cafile=ca_file))
        client.login("anybody", "anything")
        client.send_message(a_mail())

    (message,) = mailhog.messages()
    assert message["Raw"]["To"] == ["bob@example.test"]
    assert "Hello, Bob" in message["Content"]["Body"]


def test_mailhog_shows_every_page_in_the_order_of_arrival(
    mailhog: MailHog, ca_file: Path
) -> None:
    mailhog.clear()
    subjects = [f"number {number}" for number in range(260)]

    with smtplib.SMTP(mailhog.host, mailhog.smtp_port) as client:
        client.starttls(context=ssl.create_default_context(cafile=ca_file))
        for subject in subjects:
            client.send_message(a_mail(subject=subject))

    shown = mailhog.messages()
    assert [m["Content"]["Headers"]["Subject"][0] for m in shown] == subjects


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_postfix_delivers_a_mail_of_who_is_logged_in(
    postfix: Postfix, ca_file: Path, name: str
) -> None:
    postfix.clear()

    with smtplib.SMTP(name, postfix.port) as client:
        client.starttls(context=ssl.create_default_context(cafile=ca_file))
        client.login(postfix.username, postfix.password)
        client.send_message(a_mail())

    (mail,) = postfix.mails(1)
    assert mail["Subject"] == SUBJECT
    assert mail["X-Original-To"] == "bob@example.test"


def test_postfix_refuses_a_wrong_password(postfix: Postfix, ca_file: Path) -> None:
    with smtplib.SMTP(postfix.host, postfix.port) as client:
        client.starttls(context=ssl.create_default_context(cafile=ca_file))

        with pytest.raises(smtplib.SMTPAuthenticationError) as refusal:
            client.login(postfix.username, "wrong")

    assert refusal.value.smtp_code == 535


def test_postfix_refuses_who_is_not_logged_in(postfix: Postfix, ca_file: Path) -> None:
    with smtplib.SMTP(postfix.host, postfix.port) as client:
        client.starttls(context=ssl.create_default_context(cafile=ca_file))

        with pytest.raises(smtplib.SMTPRecipientsRefused):
            client.send_message(a_mail())


def test_localstack_hands_out_the_message_it_was_given(localstack: LocalStack) -> None:
    sqs = boto3.client(
        "sqs",
        endpoint_url=localstack.endpoint,
        region_name=localstack.region,
        aws_access_key_id=localstack.access_key,
        aws_secret_access_key=localstack.secret_key,
    )
    queue = sqs.create_queue(QueueName="smoke")["QueueUrl"]

    sqs.send_message(QueueUrl=queue, MessageBody="hello")

    (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
    assert message["Body"] == "hello"
    assert queue.startswith(localstack.endpoint)


def test_postgresql_keeps_through_a_crash_what_was_committed(
    postgresql: PostgreSql,
) -> None:
    database = postgresql.create()
    postgresql.tell("CREATE TABLE notes AS SELECT 'kept' AS note", database)

    postgresql.restart()

    assert postgresql.tell("SELECT note FROM notes", database) == "kept"


def a_mail(*, subject: str = SUBJECT) -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = "alice@example.test"
    mail["To"] = "bob@example.test"
    mail["Subject"] = subject
    mail.set_content("Hello, Bob.")
    return mail
