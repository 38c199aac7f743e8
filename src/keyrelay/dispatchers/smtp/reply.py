"""Replies: what a server answered, and the failures that leave it without an answer."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Phase(StrEnum):
    """What a reply answers; the values are words for people."""

    CONNECT = "the connection"
    AUTH = "AUTH"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    BODY = "the message"


@dataclass(frozen=True, slots=True)
class SmtpReply:
    """A reply that could be parsed (RFC 5321 section 4.2).

    `text` is the peer's, with "\\n" between its lines: it is scrubbed before it is
    recorded.
    """

    code: int
    text: str

    @property
    def accepts(self) -> bool:
        return 200 <= self.code < 300

    @property
    def refuses(self) -> bool:
        return 400 <= self.code < 600

    @property
    def closes(self) -> bool:
        """Whether the server hangs up after it: RFC 5321 section 3.8."""
        return self.code == 421

    def __str__(self) -> str:
        return f"{self.code} {self.text}"


class ConversationFailed(Exception):
    """No clear reply came from the server; the message says why."""


class SessionRefused(Exception):
    """The server refused to open a session, with `reply` in `phase`."""

    def __init__(self, reply: SmtpReply, phase: Phase) -> None:
        super().__init__(reply, phase)
        self.reply = reply
        self.phase = phase


def timed_out(label: str, within: timedelta) -> ConversationFailed:
    return ConversationFailed(
        f"the server did not answer {label} in {within.total_seconds():g} s"
    )
