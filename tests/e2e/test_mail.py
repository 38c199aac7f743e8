"""Mail over STARTTLS with a login: what arrives is what the action says."""

import json
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path

from tests.e2e.definitions import EVERYTHING, action, publish, trigger
from tests.e2e.mails import caught, mail_action, smtp_secret
from tests.installed.home import Home
from tests.services.mailhog import MailHog
from tests.services.postfix import Postfix

FIELDS = {
    "from": "Kühlkette <alerts@example.com>",
    "to": "Ada Lovelace <ada@example.com>; bob@example.com",
    "cc": "Żaneta <cc@example.com>",
    "bcc": "eve@example.com",
    "reply_to": "office@example.com",
    "subject": "$DEVICE.NAME$: $VALUE$ $UNIT$ … zu warm, $$ 5",
    "message": "Seit $TIME$, bei $LOCATION$.\n.\nGrüße",
    "html": "<p>$DEVICE.NAME$ ist <b>$VALUE$ $UNIT$</b> warm.</p>",
}
POINT = {
    "variable": "temperature",
    "value": 9.5,
    "unit": "°C",
    "time": "2026-01-02T03:04:05Z",
    "location": {"lat": 48.2, "lng": 16.4},
    "device": "door-17",
    "device_name": "Kühlraum <2> 温度",
}


def part(mail: EmailMessage, kind: str) -> str:
    found = mail.get_body((kind,))
    assert found is not None
    return str(found.get_content()).replace("\r\n", "\n").rstrip("\n")


def test_a_mail_to_several_arrives_at_postfix_as_it_was_meant(
    home: Home, postfix: Postfix, tmp_path: Path
) -> None:
    home = home.under({"KEYRELAY_SMTP_PORTS": str(postfix.port)})
    value = tmp_path / "value.json"
    value.write_text(
        json.dumps(smtp_secret(postfix.port, postfix.username, postfix.password))
    )
    named = ["--key", "office", "--tag", "env=test", "--value-file", str(value)]
    secret = home.run("secret", "create", *named).strip()
    told = home.create("action", action("tell", mail_action(secret, FIELDS)))
    home.create("policy", EVERYTHING)
    postfix.clear()
    before = datetime.now(UTC) - timedelta(seconds=1)

    publish(home, trigger("door-17-0001", told, [POINT]))
    home.run("worker", "--drain")

    mails = postfix.mails(4)
    assert {mail["Delivered-To"] for mail in mails} == {
        "ada@example.com",
        "bob@example.com",
        "cc@example.com",
        "eve@example.com",
    }
    assert len({mail["Message-ID"] for mail in mails}) == 1
    for mail in mails:
        assert mail["Message-ID"].startswith("<door-17-0001.")
        assert before <= parsedate_to_datetime(mail["Date"]) <= datetime.now(UTC)
        assert mail["From"] == "Kühlkette <alerts@example.com>"
        assert mail["To"] == "Ada Lovelace <ada@example.com>, bob@example.com"
        assert mail["Cc"] == "Żaneta <cc@example.com>"
        assert mail["Reply-To"] == "office@example.com"
        assert mail["Bcc"] is None
        assert mail["Subject"] == "Kühlraum <2> 温度: 9.5 °C … zu warm, $ 5"
        assert mail.get_content_type() == "multipart/alternative"
        text = "Seit 2026-01-02T03:04:05.000Z, bei 48.2,16.4.\n.\nGrüße"
        assert part(mail, "plain") == text
        html = "<p>Kühlraum &lt;2&gt; 温度 ist <b>9.5 °C</b> warm.</p>"
        assert part(mail, "html") == html
        assert "with ESMTPSA" in mail["Received"], "TLS and a login"
        eve = mail["Delivered-To"] == "eve@example.com"
        assert ("eve@" in mail.as_string()) == eve, "hidden from the others"


def test_a_secret_from_standard_input_sends_many_mails_through_mailhog(
    home: Home, mailhog: MailHog
) -> None:
    home = home.under({"KEYRELAY_SMTP_PORTS": str(mailhog.smtp_port)})
    secret = home.create_secret("office", "smtp", smtp_secret(mailhog.smtp_port))
    does = mail_action(secret, {"from": "many@example.com", "subject": "$VALUE$"})
    told = home.create("action", action("tell", does))
    home.create("policy", EVERYTHING)
    lines = [trigger(f"t{n}", told, [{"variable": "n", "value": n}]) for n in range(30)]

    publish(home, *lines)
    publish(home, *lines)  # known already
    drained = home.run("worker", "--drain")

    mails = caught(mailhog, "many@example.com", 30)
    assert drained.startswith("30 delivered, 0 buried")
    assert sorted(int(each.mail["Subject"]) for each in mails) == [*range(30)]
    assert len({each.mail["Message-ID"] for each in mails}) == 30
