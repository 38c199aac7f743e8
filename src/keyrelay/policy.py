"""Policy: may this action use this secret?

A `Permit` is the only thing the vault accepts, and `decide` is the only place
that makes one, so a secret cannot be opened ahead of the decision.
"""

from dataclasses import dataclass
from enum import StrEnum

from keyrelay.secret import SealedSecret
from keyrelay.tags import Tagged

ACCESS = "access"  # the permission that releases a secret's value


class Effect(StrEnum):
    ALLOW = "allow"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Permit:
    """`policy` allowed the release of exactly this sealed secret."""

    sealed: SealedSecret
    policy: str


@dataclass(frozen=True, slots=True)
class Denial:
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class PolicyIndex:
    """The active policies of one profile, found by whom they are about."""


def decide(
    policies: PolicyIndex, target: Tagged, sealed: SealedSecret
) -> Permit | Denial:
    raise NotImplementedError
