"""Service calls: what a script asks is read strictly, and sent as it stands."""

import base64
import email
import email.policy
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from keyrelay.dispatchers.smtp.action import Mail
from keyrelay.dispatchers.smtp.compose import compose
from keyrelay.dispatchers.smtp.service import parse_mail
from keyrelay.dispatchers.sqs.credentials import sqs_secret
from keyrelay.dispatchers.sqs.instruction import QueueMessages
from keyrelay.dispatchers.sqs.service import parse_messages
from keyrelay.model.action import Message
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.lifetime import Lifetime
from keyrelay.model.service_call import ServiceCall
from keyrelay.model.trigger import Trigger
from tests.samples import PROFILE

AT = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
USER = "us@example.com"
CREDENTIAL = {
    "smtp_server": "mail.example.com",
    "smtp_port": 587,
    "username": USER,
    "password": "hunter22",
}
KEY = {
    "aws_region": "eu-west-1",
    "queue_url": "https://sqs.eu-west-1.amazonaws.com/123456789012/alarms",
    "access_key_id": "AKIAIOSFODNN7EXAMPLE",
    "secret_access_key": "hunter22",
}
FIFO = {**KEY, "queue_url": f"{KEY['queue_url']}.fifo"}
WRITTEN = {"to": "ada@example.com", "subject": "s", "message": "m"}
FILE = {"archive": base64.b64encode(b"\x00report").decode(), "filename": "a.csv"}
POINT = {"variable": "temperature", "value": 9}


def mail_call(**fields: object) -> ServiceCall:
    return parse_mail({587}, {**WRITTEN, "smtp_secret": CREDENTIAL, **fields})


def queue_call(**fields: object) -> ServiceCall:
    asked = {"sqs_secret": KEY, "dataList": [POINT], **fields}
    return parse_messages(sqs_secret(()), asked)


def composed(call: ServiceCall) -> Message:
    trigger = Trigger(
        id="t1",
        profile=PROFILE,
        action="5" * 24,
        data=call.data,
        key=None,
        lifetime=Lifetime(raised_at=AT, deadline=AT),
    )
    message = call.instruction.compose(trigger, ())
    assert isinstance(message, Mail | QueueMessages)
    return message


def received(call: ServiceCall) -> Any:
    mail = composed(call)
    assert isinstance(mail, Mail)
    return email.message_from_bytes(compose(mail).content, policy=email.policy.default)


def bodies(call: ServiceCall) -> list[str]:
    messages = composed(call)
    assert isinstance(messages, QueueMessages)
    return [each.body for each in messages.messages]


def test_placeholders_of_actions_are_mere_text() -> None:
    text = "$VALUE$ costs $$9, <$DEVICE$>"
    mail = composed(mail_call(subject=text, message=text, html=text))

    assert isinstance(mail, Mail)
    assert (mail.subject, mail.text, mail.html) == (text, text, text)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (None, USER),
        ("Alerts <a@example.com>", "Alerts <a@example.com>"),
        ("a@example.com", "a@example.com"),
        ("My Application", f"My Application <{USER}>"),
        ('Cold, "rooms" \\', f'"Cold, \\"rooms\\" \\\\" <{USER}>'),
    ],
)
def test_a_mail_is_from_an_address_or_a_name_beside_the_user(
    given: str | None, shown: str
) -> None:
    assert received(mail_call(**{"from": given}))["From"] == shown


@pytest.mark.parametrize("given", [None, "My Application"])
def test_a_user_name_that_is_no_address_needs_a_sender(given: str | None) -> None:
    secret = {**CREDENTIAL, "username": "apikey"}

    with pytest.raises(InvalidDefinition, match="from must be an address"):
        mail_call(smtp_secret=secret, **{"from": given})


def test_control_characters_of_a_subject_make_no_header() -> None:
    mail = received(mail_call(subject="a\r\nBcc: eve@example.com"))

    assert mail["Subject"] == "a Bcc: eve@example.com"
    assert mail["Bcc"] is None


@pytest.mark.parametrize(
    ("type_", "read"),
    [
        (None, "text/csv"),
        ("base64", "text/csv"),
        ("Application/PDF", "application/pdf"),
    ],
)
def test_an_attachment_is_of_the_type_that_it_says_or_that_its_name_says(
    type_: str | None, read: str
) -> None:
    (file,) = received(mail_call(attachment={**FILE, "type": type_})).iter_attachments()

    assert (file.get_content_type(), file.get_filename()) == (read, "a.csv")
    assert file.get_payload(decode=True) == b"\x00report"


def test_a_file_of_a_name_that_says_nothing_is_of_any_type() -> None:
    attachment = {**FILE, "filename": "report"}

    (file,) = received(mail_call(attachment=attachment)).iter_attachments()

    assert file.get_content_type() == "application/octet-stream"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"filename": "../a.csv"}, "without its folder"),
        ({"filename": "a\r\nBcc: eve@example.com"}, "control characters"),
        ({"filename": 'a"; name="b'}, "quotation marks"),
        ({"filename": "=?utf-8?q?a=0Ab?="}, "'=\\?'"),
        ({"filename": ""}, "1 to 200 characters"),
        ({"archive": "no base64!"}, "in base64"),
        ({"archive": ""}, "in base64"),
        ({"archive": None}, "must be a string"),
        ({"type": "multipart/mixed"}, "media type"),
        ({"type": "Message/RFC822"}, "media type"),
        ({"type": "text/plain; charset=x"}, "media type"),
        ({"type": "text/plain\r\nX: y"}, "media type"),
        ({"url": "https://example.com"}, "has no field 'url'"),
    ],
)
def test_what_is_no_attachment_is_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidDefinition, match=said):
        mail_call(attachment={**FILE, **change})


def test_recipients_may_be_a_list() -> None:
    mail = composed(mail_call(to=["a@example.com", "B <b@example.com>"], bcc="c@d.org"))

    assert isinstance(mail, Mail)
    assert mail.recipients == ("a@example.com", "b@example.com", "c@d.org")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"smtp_secret": {**CREDENTIAL, "smtp_port": 25}}, "smtp_secret: smtp_port"),
        ({"smtp_secret": json.dumps([])}, "smtp_secret: value: expected one JSON"),
        ({"smtp_secret": 7}, "smtp_secret: value must be a string"),
        ({"smtp_secret": {**CREDENTIAL, "colour": 1}}, "smtp_secret: "),
        ({"subject": None}, "subject must be a string"),
        ({"subject": "x" * 1001}, "0 to 1000 characters"),
        ({"to": [7]}, "to must be a string"),
        ({"to": ["a@b@c.org"]}, "more than one @"),
        ({"bcc": "x"}, "bcc must hold addresses"),
        ({"from": "a@good.com <evil@x>"}, "from must hold addresses"),
    ],
)
def test_what_is_no_mail_is_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidDefinition, match=said) as refused:
        mail_call(**change)

    assert "hunter22" not in str(refused.value)


def test_data_points_are_one_message_or_one_each() -> None:
    points = [POINT, {**POINT, "value": "$VALUE$"}]
    written = [json.dumps(each, separators=(",", ":")) for each in (points, *points)]

    assert bodies(queue_call(dataList=points, batch_enabled=True)) == written[:1]
    assert bodies(queue_call(dataList=points)) == written[1:]
    assert bodies(queue_call(dataList=POINT)) == written[1:2]


@pytest.mark.parametrize("nothing", [None, [], [None], [POINT, None]])
def test_nothing_is_sent_of_no_data(nothing: object) -> None:
    with pytest.raises(InvalidDefinition, match="there is nothing to send"):
        queue_call(dataList=nothing)


def test_a_fifo_queue_needs_a_group() -> None:
    with pytest.raises(InvalidDefinition, match="needs a group_id"):
        queue_call(sqs_secret=FIFO)

    messages = composed(queue_call(sqs_secret=json.dumps(FIFO), group_id="$DEVICE$"))
    assert isinstance(messages, QueueMessages)
    assert [each.group_id for each in messages.messages] == ["$DEVICE$"]
