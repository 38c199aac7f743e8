"""Mail servers of several makes: each takes what we send, as it was meant."""

import json

import pytest

from tests.e2e.definitions import EVERYTHING, action, publish, trigger
from tests.e2e.mails import WITHIN, mail_action, smtp_secret
from tests.installed.home import Home
from tests.services import deadline
from tests.services.mailbox import KeptMail, Mailbox

SUBJECT = (
    "Kühlraum 温度 ist seit gestern Abend zu hoch, bitte nachsehen: $VALUE$ $UNIT$"
)
TEXT = "Es ist $VALUE$ $UNIT$.\n.\n..zwei Punkte\nGrüße"


@pytest.fixture(params=["mailpit", "smtp_server"])
def mailbox(request: pytest.FixtureRequest) -> Mailbox:
    server: Mailbox = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def home(home: Home, mailbox: Mailbox) -> Home:
    return home.under({"KEYRELAY_SMTP_PORTS": str(mailbox.port)})


def arrived(mailbox: Mailbox, trigger_id: str, count: int) -> list[KeptMail]:
    """Return the mails of the triggers whose ids begin so, once they are there."""

    def found() -> list[KeptMail]:
        kept = [(mail, mail.parsed()["Message-ID"]) for mail in mailbox.mails()]
        return [mail for mail, id_ in kept if id_.startswith(f"<{trigger_id}")]

    assert deadline.met(lambda: len(found()) >= count, WITHIN)
    return found()


def told(home: Home, mailbox: Mailbox, password: str, fields: dict[str, object]) -> str:
    value = smtp_secret(mailbox.port, mailbox.account.username, password)
    secret = home.create_secret("office", "smtp", value)
    home.create("policy", EVERYTHING)
    does = mail_action(secret, fields)
    return home.create("action", action("tell", does, attempts=2))


def test_a_mail_arrives_as_it_was_meant(home: Home, mailbox: Mailbox) -> None:
    fields: dict[str, object] = {
        "to": "Żaneta <ada@example.com>; bob@example.com",
        "bcc": "eve@example.com",
        "subject": SUBJECT,
        "message": TEXT,
        "html": "<p>$VALUE$</p>",
    }
    of = told(home, mailbox, mailbox.account.password, fields)

    publish(home, trigger("whole", of))
    home.run("worker", "--drain")

    (kept,) = arrived(mailbox, "whole", 1)
    mail = kept.parsed()
    assert kept.recipients == {"ada@example.com", "bob@example.com", "eve@example.com"}
    assert mail["Subject"] == SUBJECT.replace("$VALUE$ $UNIT$", "9.5 °C")
    assert mail["To"] == "Żaneta <ada@example.com>, bob@example.com"
    plain = mail.get_body(("plain",))
    assert plain is not None
    text = str(plain.get_content()).replace("\r\n", "\n").rstrip("\n")
    assert text == TEXT.replace("$VALUE$ $UNIT$", "9.5 °C")
    (record,) = json.loads(home.run("attempt", "list", "--trigger", "whole", "--json"))
    assert record["outcome"] == "delivered"


def test_many_mails_arrive_once_each(home: Home, mailbox: Mailbox) -> None:
    of = told(home, mailbox, mailbox.account.password, {"subject": "$VALUE$"})
    points = [[{"variable": "n", "value": n}] for n in range(40)]

    publish(home, *(trigger(f"many{n}-", of, p) for n, p in enumerate(points)))
    home.run("worker", "--drain")

    subjects = [kept.parsed()["Subject"] for kept in arrived(mailbox, "many", 40)]
    assert sorted(map(int, subjects)) == [*range(40)]


def test_a_wrong_password_is_told_by_the_server_and_pauses_the_secret(
    home: Home, mailbox: Mailbox
) -> None:
    of = told(home, mailbox, "wrong", {})

    publish(home, trigger("refused", of))
    with home.running("worker") as worker:
        worker.await_said('"secret paused"')
        worker.await_said('"outcome": "deferred"')

    (record,) = json.loads(
        home.run("attempt", "list", "--trigger", "refused", "--json")
    )
    assert (record["outcome"], record["blame"]) == ("deferred", "credential")
    assert "535" in record["reason"]
