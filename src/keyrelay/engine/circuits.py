"""Circuits: one for each secret that was used or is paused, for its newest version."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from keyrelay.engine.circuit import Circuit
from keyrelay.model.pause import LONGEST_PAUSE, PauseKind, SharedPause
from keyrelay.model.secret import Secret

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuits:
    """`wake` is called with the id of a secret whose held triggers may go on."""

    now: Callable[[], datetime]
    wake: Callable[[str], None]
    _by_secret: dict[str, Circuit] = field(default_factory=dict, init=False)

    def of(self, secret: Secret) -> Circuit:
        """Return the circuit of a secret; of an older version, one that is not kept."""
        known = self._newest(secret.id, secret.version)
        # An attempt that began before the secret was replaced says nothing of now.
        return known if known.version == secret.version else Circuit(secret.version)

    def known(self, secret: str) -> Circuit | None:
        """Return the circuit of the secret of this id; None, it has none."""
        return self._by_secret.get(secret)

    def is_paused(self, secret: str) -> bool:
        """Tell whether the secret of this id is paused, also while a probe is due."""
        circuit = self._by_secret.get(secret)
        return circuit is not None and circuit.pause is not None

    def holds(self, secret: str) -> bool:
        """Tell whether the secret of this id holds its triggers back.

        It is paused, and no probe is due, or its peer owes answers.
        """
        circuit, now = self._by_secret.get(secret), self.now()
        if circuit is None:
            return False
        if circuit.pause is not None and circuit.pause.holds(now):
            return True
        return circuit.silence(now) is not None

    def replaced(self, secret: Secret) -> None:
        """Close the circuit of an older version; what it held back goes on."""
        known = self._by_secret.get(secret.id)
        if known is not None and known.version < secret.version:
            del self._by_secret[secret.id]
        self.wake(secret.id)

    def obey(self, shared: SharedPause) -> None:
        """Pause a secret whose credential another worker saw refused."""
        known = self._newest(shared.secret, shared.version)
        if known.version == shared.version:
            if not known.is_refused:
                log_pause(shared.secret, shared.version, shared.reason)
            known.obey(shared, self.now())

    def resume(self, secret: str) -> None:
        """End the pause of a secret; what it held back goes on."""
        circuit = self._by_secret.get(secret)
        if circuit is not None and circuit.pause is not None:
            circuit.pause = None
            log.warning("secret resumed", extra={"secret": secret})
            self.wake(secret)

    def paused(self) -> Counter[PauseKind]:
        """Count the secrets that are paused.

        A pause whose probe has been due for 15 minutes is not counted: no trigger uses
        that secret any more.
        """
        return Counter(
            PauseKind.REFUSED if circuit.is_refused else PauseKind.UNREACHABLE
            for _, circuit in self._paused()
        )

    def unreachable(self) -> Sequence[SharedPause]:
        """Return the pauses of the secrets whose peers this worker cannot reach."""
        return [
            circuit.shared(secret)
            for secret, circuit in self._paused()
            if not circuit.is_refused
        ]

    def refused(self) -> Mapping[str, int]:
        """Return the ids and versions of the secrets whose credential was refused."""
        circuits = self._by_secret.items()
        return {id_: each.version for id_, each in circuits if each.is_refused}

    def _newest(self, secret: str, version: int) -> Circuit:
        """Return the circuit that is kept, a new one if this version is newer."""
        known = self._by_secret.get(secret)
        if known is None or known.version < version:
            known = self._by_secret[secret] = Circuit(version)
        return known

    def _paused(self) -> Iterator[tuple[str, Circuit]]:
        now = self.now()
        for secret, circuit in self._by_secret.items():
            pause = circuit.pause
            if pause is not None and now < pause.probe_at + LONGEST_PAUSE:
                yield secret, circuit


def log_pause(secret: str, version: int, reason: str) -> None:
    what = {"secret": secret, "version": version, "reason": reason}
    log.warning("secret paused", extra=what)
