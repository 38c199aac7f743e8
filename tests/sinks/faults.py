"""Faults: how a sink misbehaves, repeatably."""

import random
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """`busy` and `mute` are shares of all messages, between 0 and 1.

    A busy sink refuses a message for now and keeps nothing of it; a mute one keeps
    it and hangs up instead of saying so. Each answer takes `delay`.
    """

    delay: timedelta = timedelta()
    busy: float = 0.0
    mute: float = 0.0
    seed: int = 0

    def arguments(self) -> Sequence[str]:
        """Return the command line that `read` turns into equal faults."""
        return [
            f"--delay={self.delay.total_seconds()}",
            f"--busy={self.busy}",
            f"--mute={self.mute}",
            f"--seed={self.seed}",
        ]


NO_FAULTS = Faults()


@dataclass(frozen=True, slots=True)
class FaultSequence:
    """Which messages the faults strike, the same ones with the same seed."""

    faults: Faults
    _dice: random.Random = field(init=False)

    def __post_init__(self) -> None:
        dice = random.Random(self.faults.seed)  # noqa: S311 - nothing to guess
        object.__setattr__(self, "_dice", dice)

    def is_busy(self) -> bool:
        return self._dice.random() < self.faults.busy

    def is_mute(self) -> bool:
        return self._dice.random() < self.faults.mute


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--busy", type=float, default=0.0)
    parser.add_argument("--mute", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)


def read(arguments: Namespace) -> Faults:
    return Faults(
        delay=timedelta(seconds=arguments.delay),
        busy=arguments.busy,
        mute=arguments.mute,
        seed=arguments.seed,
    )
