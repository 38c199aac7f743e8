"""Rights: what a route asks of a token, and which tokens have it."""

from collections.abc import Mapping
from enum import StrEnum

from keyrelay.model.token import AccessLevel, TokenKind, TokenRights


class Right(StrEnum):
    """What a route asks of the token of its caller."""

    KNOWN = "a token of any kind"
    READ = "read"
    WRITE = "write"
    FULL = "full"
    PUBLISH = "publish"
    FOLLOW = "follow what was published"
    VERIFY = "verify"
    FINDINGS = "read what was verified"
    OPERATE = "operate"
    SERVICES = "services of scripts"
    LISTEN = "listen"


_LEVELS: Mapping[Right, AccessLevel] = {
    Right.READ: AccessLevel.READ,
    Right.WRITE: AccessLevel.WRITE,
    Right.FULL: AccessLevel.FULL,
    Right.PUBLISH: AccessLevel.WRITE,
    Right.FOLLOW: AccessLevel.READ,
    Right.VERIFY: AccessLevel.WRITE,
    Right.FINDINGS: AccessLevel.READ,
    Right.LISTEN: AccessLevel.READ,
}
_KINDS: Mapping[TokenKind, frozenset[Right]] = {
    TokenKind.PROFILE: frozenset(_LEVELS),
    TokenKind.PRODUCER: frozenset({Right.PUBLISH, Right.FOLLOW}),
    TokenKind.OPERATOR: frozenset({Right.OPERATE, Right.VERIFY, Right.FINDINGS}),
    TokenKind.ANALYSIS: frozenset({Right.SERVICES, Right.LISTEN}),
}


def has(rights: TokenRights, right: Right) -> bool:
    """Tell whether a token with these rights may call a route that asks for `right`."""
    if right is Right.KNOWN:
        return True
    if right not in _KINDS[rights.kind]:
        return False
    # Only the tokens of a profile have levels; a right of theirs is one of a level.
    return rights.level is None or rights.level >= _LEVELS[right]
