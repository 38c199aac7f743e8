"""Release: what a run is given of the secrets, and where it takes place."""

from collections.abc import Sequence
from dataclasses import dataclass

from keyrelay.model.analysis import RunOn, Scalar, ScriptedAnalysis
from keyrelay.model.run import RunOrder
from keyrelay.model.secret import SecretValue


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlace:
    """Where a run takes place; `address` is that of the machine elsewhere.

    `listener` is the id of the connection over which that machine is handed runs.
    """

    run_on: RunOn
    address: str | None = None
    listener: str | None = None


HOSTED = RunPlace(run_on=RunOn.HOSTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedEnvironment:
    """Keys and values, in the order in which a script sees them.

    `withheld` are sentences that say which secrets are not among them, and why;
    `remarks` are sentences on what should not stand among them as it does.
    """

    pairs: tuple[tuple[str, Scalar | SecretValue], ...]
    withheld: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def told(self) -> Sequence[str]:
        """What the console of the run says before the script says anything."""
        return (*self.withheld, *self.remarks)

    @property
    def values(self) -> Sequence[SecretValue]:
        """The values of secrets."""
        return [value for _, value in self.pairs if isinstance(value, SecretValue)]

    def revealed(self) -> Sequence[tuple[str, Scalar]]:
        """Return the pairs with their plaintexts, to be handed over at once."""
        return [
            (key, value.reveal() if isinstance(value, SecretValue) else value)
            for key, value in self.pairs
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedRun:
    """A run, the analysis and script that it is of, and what was released to it."""

    order: RunOrder
    scripted: ScriptedAnalysis
    environment: ReleasedEnvironment
