"""Mailbox: what a mail server with logins offers to tests, and what it has kept."""

import email
import email.policy
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    username: str
    password: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptMail:
    """`recipients` are the envelope's; `raw` is the mail as it arrived."""

    recipients: frozenset[str]
    raw: bytes

    def parsed(self) -> EmailMessage:
        return email.message_from_bytes(self.raw, policy=email.policy.default)


class Mailbox(Protocol):
    """A server that demands STARTTLS and a login, and keeps what it has taken."""

    @property
    def port(self) -> int: ...

    @property
    def account(self) -> Account: ...

    def mails(self) -> list[KeptMail]:
        """Return what it has kept, the oldest first."""
