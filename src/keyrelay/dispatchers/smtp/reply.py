"""Replies: what a server answered, and the failures that leave it without an answer."""

import re
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from keyrelay.dispatchers.scrub import NOTHING_SECRET, Scrubber

_AUTH = re.compile(r"\s*AUTH[=\s]", re.IGNORECASE)


class Phase(StrEnum):
    """What a reply answers; the values are words for people."""

    CONNECT = "the connection"
    EHLO = "EHLO (KEYRELAY_SMTP_NAME sets the name in it)"
    AUTH = "AUTH"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    BODY = "the message"


@dataclass(frozen=True, slots=True)
class SmtpReply:
    """A reply that could be parsed (RFC 5321 section 4.2).

    `text` is the peer's, with "\\n" between its lines, for decisions alone; what is
    recorded is `scrubbed`, or the reply as a string.
    """

    code: int
    text: str
    scrubber: Scrubber = field(default=NOTHING_SECRET, repr=False, compare=False)

    @property
    def scrubbed(self) -> str:
        return self.scrubber(self.text)

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
        return f"{self.code} {self.scrubbed}"


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


def extensions_of(greeting: SmtpReply) -> dict[str, str]:
    """Return the extensions that EHLO listed: keyword in lower case, and parameters.

    Read tolerantly: with other white space, with `AUTH=` of old servers beside `AUTH`,
    and AUTH from the first line, the server's name, which some servers leave out
    (RFC 5321 section 4.1.1.1).
    """
    first, *lines = greeting.text.split("\n")
    if _AUTH.match(first):
        lines.insert(0, first)
    extensions: dict[str, str] = {}
    for line in lines:
        keyword, *words = _AUTH.sub("AUTH ", line).split() or [""]
        known = extensions.get(keyword.lower(), "").split()
        extensions[keyword.lower()] = " ".join(dict.fromkeys([*known, *words]))
    return extensions
