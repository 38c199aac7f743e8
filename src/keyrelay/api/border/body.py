"""Body: how large a request's body may be, and how slowly it may come."""

from dataclasses import dataclass
from http import HTTPStatus

from keyrelay.api.border.limits import BodyLimits
from keyrelay.api.border.refusal import (
    HOLDS_TOO_MUCH,
    BorderReason,
    BorderRefusal,
    RefusedAtBorder,
)


@dataclass(slots=True)
class SharedBytes:
    """How many bytes of bodies are held beyond what each may have for itself."""

    most: int
    held: int = 0

    def take(self, count: int) -> bool:
        """Return whether there is room, and take it."""
        if self.held + count > self.most:
            return False
        self.held += count
        return True

    def give_back(self, count: int) -> None:
        self.held -= count


@dataclass(slots=True)
class BodyRate:
    """What has come in this window. One in which reading was paused is not judged."""

    limits: BodyLimits
    came: int = 0
    was_paused: bool = False

    def is_slow(self) -> bool:
        """Return whether less came in the window than must, and begin the next one."""
        slow = self.came < self.limits.least and not self.was_paused
        self.came, self.was_paused = 0, False
        return slow


@dataclass(slots=True)
class BodyCount:
    """The body of one request: `longest` bytes at most, if that is not None.

    `shared` is None once it is answered: what is still to come is not held.
    """

    limits: BodyLimits
    shared: SharedBytes | None
    longest: int | None
    rate: BodyRate
    received: int = 0
    taken: int = 0

    def announce(self, length: int) -> None:
        """Raise RefusedAtBorder for a body of this length, if that is too long."""
        if self.longest is not None and length > self.longest:
            raise RefusedAtBorder(_too_large(self.longest))

    def add(self, length: int) -> None:
        """Count what has come. Raises RefusedAtBorder above a limit."""
        self.received += length
        self.rate.came += length
        if self.longest is None:
            return  # read as it comes, and not held
        self.announce(self.received)
        beyond = max(0, self.received - self.limits.own) - self.taken
        if self.shared is not None and beyond > 0:
            if not self.shared.take(beyond):
                raise RefusedAtBorder(HOLDS_TOO_MUCH)
            self.taken += beyond

    def end(self) -> None:
        """The request is answered, or gone: give back what it held.

        Of a body that may have any length little more is read then.
        """
        if self.shared is not None:
            self.shared.give_back(self.taken)
            self.shared = None
        if self.longest is None:
            self.longest = self.received + self.limits.own


def _too_large(longest: int) -> BorderRefusal:
    return BorderRefusal(
        reason=BorderReason.BODY_TOO_LARGE,
        status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        message=f"the body of this request may have {longest} bytes",
    )
