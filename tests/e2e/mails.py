"""Mails: secrets and actions that send them, and what MailHog has caught of them."""

import email
import email.policy
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage

from tests.services import deadline
from tests.services.mailhog import MailHog

WITHIN = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caught:
    """`recipients` are the envelope's."""

    sender: str
    recipients: frozenset[str]
    mail: EmailMessage


def caught(mailhog: MailHog, sender: str, count: int) -> list[Caught]:
    """Return what came from `sender`, the oldest first, once that many are there."""
    if not deadline.met(lambda: len(_from(mailhog, sender)) >= count, WITHIN):
        found = len(_from(mailhog, sender))
        raise TimeoutError(f"{found} of {count} mails came within {WITHIN}")
    return _from(mailhog, sender)


def smtp_secret(
    port: int,
    username: str = "relay",
    password: str = "correct horse",
    server: str = "127.0.0.1",
) -> Mapping[str, object]:
    return {
        "smtp_server": server,
        "smtp_port": port,
        "username": username,
        "password": password,
    }


def mail_action(secret: str, fields: Mapping[str, object] | None = None) -> object:
    """Return what an action does: a plain mail, with some fields given or replaced."""
    return {
        "type": "email-smtp",
        "smtp_secret": secret,
        "from": "relay@example.com",
        "to": "ada@example.com",
        "subject": "$VARIABLE$: $VALUE$ $UNIT$",
        "message": "It is $VALUE$ $UNIT$.",
        **(fields or {}),
    }


def _from(mailhog: MailHog, sender: str) -> list[Caught]:
    return [
        Caught(
            sender=message["Raw"]["From"],
            recipients=frozenset(message["Raw"]["To"]),
            mail=email.message_from_bytes(
                message["Raw"]["Data"].encode(), policy=email.policy.default
            ),
        )
        for message in mailhog.messages()
        if message["Raw"]["From"] == sender
    ]
