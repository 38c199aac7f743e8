"""The main job, made in the console alone: from a secret to a delivery."""

from collections.abc import Iterator, Mapping

import pytest

from tests.e2e.console.site import Page, Prepared, Site, Visitor, serving
from tests.e2e.mails import caught, smtp_secret
from tests.e2e.queues import create_queue, sqs_secret
from tests.services.localstack import LocalStack
from tests.services.mailhog import MailHog


@pytest.fixture(scope="module")
def site(
    prepared: Prepared,
    mailhog: MailHog,
    localstack: LocalStack,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """One that may reach the servers of this machine."""
    settings = {
        "KEYRELAY_SMTP_PORTS": str(mailhog.smtp_port),
        "KEYRELAY_SQS_ENDPOINTS": localstack.endpoint,
    }
    home = prepared.home.copied(tmp_path_factory.mktemp("main") / "home", settings)
    with serving(Prepared(home=home, tokens=prepared.tokens)) as site:
        yield site


def make_secret(
    visitor: Visitor, key: str, type_: str, value: Mapping[str, object]
) -> str:
    typed = {name: str(text) for name, text in value.items()}
    form = visitor.get(f"/secrets/new?type={type_}")
    tag = {"tag_key": "use", "tag_value": key}
    return form.submit("/secrets/new", key=key, **tag, **typed).last_id


def make_action(visitor: Visitor, name: str, type_: str, **typed: str) -> str:
    form = visitor.get(f"/actions/new?type={type_}")
    tag = {"tag_key": "role", "tag_value": name}
    return form.submit("/actions/new", name=name, **tag, **typed).last_id


def release(visitor: Visitor, action: str, secret: str) -> Page:
    """Store the policy that the console itself says is missing."""
    form = visitor.get(f"/access/new?action={action}&secret={secret}")
    return form.submit("/access/new", do="save")


def fire(visitor: Visitor, action: str) -> str:
    """Fire the action from its tab Try; return the id of the trigger."""
    at = f"/actions/{action}/try"
    fired = visitor.get(at).submit(
        at, variable=["temperature"], value=["9.5"], unit=["°C"]
    )
    return fired.last_id


def test_a_mail_is_sent_by_what_was_made_in_the_console(
    site: Site, visitor: Visitor, mailhog: MailHog
) -> None:
    value = smtp_secret(mailhog.smtp_port)
    secret = make_secret(visitor, "office", "smtp", value)
    sender = "console@example.com"
    mail = {"to": "ada@example.com", "subject": "$VALUE$ $UNIT$", "message": "Warm."}
    typed = {"smtp_secret": secret, "from_": sender, **mail}
    action = make_action(visitor, "tell", "email-smtp", **typed)
    denied = fire(visitor, action)
    site.home.run("worker", "--drain")
    release(visitor, action, secret)
    trigger = fire(visitor, action)
    site.home.run("worker", "--drain")

    [sent] = caught(mailhog, sender, 1)
    assert sent.mail["Subject"] == "9.5 °C"
    story = visitor.get(f"/triggers/{trigger}").text
    assert "delivered" in story
    assert "Attempt 1" in story
    assert "no policy lets" in visitor.get(f"/triggers/{denied}").text


def test_a_message_is_put_on_a_queue_by_what_was_made_in_the_console(
    site: Site, visitor: Visitor, localstack: LocalStack
) -> None:
    queue = create_queue(localstack, "console")
    secret = make_secret(visitor, "queue", "aws-sqs", sqs_secret(queue.url))
    typed = {"sqs_secret": secret, "message": "It is $VALUE$."}
    action = make_action(visitor, "put", "queue-sqs", **typed)
    release(visitor, action, secret)
    trigger = fire(visitor, action)
    site.home.run("worker", "--drain")

    [message] = queue.messages(1)
    assert message["Body"] == "It is 9.5."
    assert "delivered" in visitor.get(f"/triggers/{trigger}").text
