"""Replies: what a server said, and the facts that can stand in place of a reply."""

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
    """A readable reply. `text` is the peer's: scrub it before it is written down."""

    code: int
    text: str

    @property
    def takes(self) -> bool:
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


class Broken(Exception):
    """The conversation ended without a clear reply; the message says how."""


class SessionRefused(Exception):
    """The server refused to open a session; `reply` is how it said so."""

    def __init__(self, reply: SmtpReply, phase: Phase) -> None:
        super().__init__(reply, phase)
        self.reply = reply
        self.phase = phase


def late(what: str, within: timedelta) -> Broken:
    return Broken(f"the server did not answer {what} in {within.total_seconds():g} s")
