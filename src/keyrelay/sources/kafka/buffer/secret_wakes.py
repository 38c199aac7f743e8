"""Secret wakes: when triggers that wait for a secret were last woken."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class SecretWakes:
    """`last` is when anything was woken last."""

    last: datetime = _NEVER
    _all: datetime = _NEVER
    _of: dict[str, datetime] = field(default_factory=dict, init=False)

    def note(self, secret: str | None, at: datetime) -> None:
        """Note a wake of all that waits for this secret; None, for any secret."""
        self.last = at
        if secret is None:
            self._all = at
        else:
            self._of[secret] = at

    def woke(self, secret: str, since: datetime) -> bool:
        """Tell whether what has waited for the secret since then may go on."""
        return max(self._all, self._of.get(secret, _NEVER)) >= since
