"""Limits: how long we wait for a mail server, and how hard we use one."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Reuse:
    """How many sessions one version of a secret has, and when one has served.

    After `probe_after` of rest a session is asked whether it still lives.
    """

    sessions: int = 8
    messages: int = 100
    age: timedelta = timedelta(minutes=10)
    idle: timedelta = timedelta(minutes=1)
    probe_after: timedelta = timedelta(seconds=10)

    def __post_init__(self) -> None:
        if self.sessions < 1 or self.messages < 1:
            raise ValueError("reuse needs at least one session and one message")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`turn` is the wait for a session that others use; nobody is to blame for it.
    `still` is the wait for any of them to be given back; that blames the server.

    `connect` bounds resolving, and each address; `command` one reply; `stage` the
    opening of a session as a whole, and an envelope as a whole; `body` the reply
    to the final dot. A short `body` makes duplicates: RFC 5321 section 4.5.3.2.6.
    """

    turn: timedelta = timedelta(seconds=10)
    still: timedelta = timedelta(seconds=1)
    connect: timedelta = timedelta(seconds=10)
    command: timedelta = timedelta(seconds=30)
    stage: timedelta = timedelta(minutes=1)
    body: timedelta = timedelta(minutes=2)
    reuse: Reuse = Reuse()


STANDARD = Limits()
