"""Dead letters: buried triggers, with all that is needed to understand and redrive."""

from dataclasses import dataclass
from datetime import datetime

from keyrelay.settlement import Bury
from keyrelay.trigger import Trigger


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """`settlement.done` are the parts that a redriven trigger leaves out."""

    trigger: Trigger
    settlement: Bury
    attempts: int
    buried_at: datetime
