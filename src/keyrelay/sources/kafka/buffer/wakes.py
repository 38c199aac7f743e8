"""Wakes: which secrets were replaced when, so that what waits for them may go on."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class Wakes:
    """`last` is when anything was woken."""

    last: datetime = _NEVER
    _all: datetime = _NEVER
    _of: dict[str, datetime] = field(default_factory=dict, init=False)

    def wake(self, secret: str | None, at: datetime) -> None:
        """Note it; without a secret, that of all."""
        self.last = at
        if secret is None:
            self._all = at
        else:
            self._of[secret] = at

    def woke(self, secret: str | None, since: datetime) -> bool:
        """Return whether what waits for the secret since then may go on."""
        if secret is None:
            return False
        return max(self._all, self._of.get(secret, _NEVER)) >= since
