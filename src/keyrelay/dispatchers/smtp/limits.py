"""Limits: how long an SMTP peer may take, and how its sessions are used."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotLimits:
    """How many sessions one version of a secret has, and how long to wait for one.

    `wait` bounds the wait for a slot while others are released, and `stall` the time
    without any release. The peer is not blamed when either ends. Raises ValueError for
    no slot.
    """

    count: int = 8
    wait: timedelta = timedelta(seconds=10)
    stall: timedelta = timedelta(seconds=1)

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError("a secret needs at least one slot")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReuseLimits:
    """When a session is ended: after so many mails, at this age, or so long idle.

    A session that was idle for longer than `probe_after` is probed before it is used.
    Raises ValueError for no mail.
    """

    mails: int = 100
    age: timedelta = timedelta(minutes=10)
    idle: timedelta = timedelta(minutes=1)
    probe_after: timedelta = timedelta(seconds=10)

    def __post_init__(self) -> None:
        if self.mails < 1:
            raise ValueError("a session needs to send at least one mail")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long each step may take, and the limits of slots and of reuse.

    `connect` bounds resolving a name, and each address by itself; `command` the reply
    to one command; `body` the reply to the final dot. No limit spans several replies: a
    server that answers each of them in time is slow, and works. `body` is what RFC 5321
    asks for (section 4.5.3.2.6), as a shorter one makes duplicates (section 6.1).
    """

    connect: timedelta = timedelta(seconds=10)
    command: timedelta = timedelta(seconds=30)
    body: timedelta = timedelta(minutes=10)
    slots: SlotLimits = SlotLimits()
    reuse: ReuseLimits = ReuseLimits()


STANDARD = Limits()
