"""Tokens: what a program shows to the API, and what each kind of them may do.

The plaintext of a token is shown once, when it is made. What is kept of it is a digest
(stores/definitions/token_rows.py) and a prefix, by which people tell tokens apart; that
of an analysis' token is kept sealed, too, as a script is given it at each run.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, IntEnum

from keyrelay.model.documents import (
    InvalidDefinition,
    refuse_unknown,
    require_label,
    require_list,
    require_text,
)
from keyrelay.model.ids import is_id
from keyrelay.model.instant import NEVER, parse_instant
from keyrelay.model.secret import SecretValue

ENTROPY = 27  # bytes: 36 characters, which cannot be guessed
LONGEST_NAME = 100

_MOST_ACTIONS = 100
_SHOWN = 8  # characters of a prefix: 168 bits stay unknown
_LONGEST_RUN = 64
_GIVEN = ("kind", "permission", "actions")
_RIGHTS = (*_GIVEN, "analysis", "run")
_FIELDS = ("name", "expire_time", *_GIVEN)


class TokenKind(Enum):
    """What a token is for: its name on the wire, and how its plaintext begins."""

    PROFILE = ("profile", "p-")
    PRODUCER = ("producer", "t-")
    OPERATOR = ("operator", "o-")
    ANALYSIS = ("analysis", "a-")

    def __init__(self, word: str, beginning: str) -> None:
        self.word = word
        self.beginning = beginning


class AccessLevel(IntEnum):
    """What a profile token may do in its profile; each level includes those below."""

    READ = 1
    WRITE = 2
    FULL = 3

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRights:
    """What a token may do; only a profile token has a level.

    `actions` are the ids of those that a producer token may publish to; None, to all of
    its profile. `analysis` is the id of the one that a token belongs to, and `run` that
    of the run whose own it is; None, it is the analysis' main token.
    """

    kind: TokenKind
    level: AccessLevel | None = None
    actions: frozenset[str] | None = None
    analysis: str | None = None
    run: str | None = None

    def __post_init__(self) -> None:
        if (self.level is None) is (self.kind is TokenKind.PROFILE):
            raise ValueError("a profile token has a level, and no other token has one")
        if self.actions is not None and self.kind is not TokenKind.PRODUCER:
            raise ValueError("only a producer token is bound to actions")
        if (self.analysis is None) is (self.kind is TokenKind.ANALYSIS):
            raise ValueError("an analysis token has an analysis, and no other token")
        if self.run is not None and self.kind is not TokenKind.ANALYSIS:
            raise ValueError("only an analysis token is that of a run")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What is known of a token. `expires_at` is None for one that never expires."""

    id: str
    profile: str
    name: str
    rights: TokenRights
    prefix: str
    expires_at: datetime | None

    def is_expired(self, now: datetime) -> bool:
        return _has_passed(self.expires_at, now)


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestedToken:
    """A token and the digest of its plaintext."""

    token: Token
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenDraft:
    """What is said of a token before it is made."""

    name: str
    rights: TokenRights
    expires_at: datetime | None

    def is_expired(self, now: datetime) -> bool:
        return _has_passed(self.expires_at, now)


def parse_token(document: Mapping[str, object]) -> TokenDraft:
    """Read `{name, permission?, kind?, actions?, expire_time?}`.

    Left out, the kind is `profile`, its permission `read`, and it never expires. Raises
    InvalidDefinition.
    """
    refuse_unknown(document, _FIELDS, "a token")
    name = require_label(document.get("name"), "a token's name", longest=LONGEST_NAME)
    expiry = document.get("expire_time", NEVER)
    rights = {field: document[field] for field in _GIVEN if field in document}
    if rights.get("kind") == TokenKind.ANALYSIS.word:
        raise InvalidDefinition("the token of an analysis is made with the analysis")
    return TokenDraft(
        name=name,
        rights=parse_rights(rights),
        expires_at=None if expiry == NEVER else parse_instant(expiry, "expire_time"),
    )


def parse_rights(document: Mapping[str, object]) -> TokenRights:
    """Read `{kind?, permission?, actions?, …}`, as `rights_document` writes it.

    Raises InvalidDefinition.
    """
    refuse_unknown(document, _RIGHTS, "what a token may do")
    kind = _kind(document.get("kind", TokenKind.PROFILE.word))
    permission, actions = document.get("permission"), document.get("actions")
    if permission is not None and kind is not TokenKind.PROFILE:
        raise InvalidDefinition(f"a {kind.word} token has no permission")
    if actions is not None and kind is not TokenKind.PRODUCER:
        raise InvalidDefinition("only a producer token names actions")
    analysis, run = _analysis(kind, document)
    return TokenRights(
        kind=kind,
        level=_level(permission) if kind is TokenKind.PROFILE else None,
        actions=None if actions is None else _actions(actions),
        analysis=analysis,
        run=run,
    )


def rights_document(rights: TokenRights) -> dict[str, object]:
    document: dict[str, object] = {"kind": rights.kind.word}
    if rights.level is not None:
        document["permission"] = rights.level.word
    if rights.actions is not None:
        document["actions"] = sorted(rights.actions)
    if rights.analysis is not None:
        document["analysis"] = rights.analysis
    if rights.run is not None:
        document["run"] = rights.run
    return document


def plaintext_of(kind: TokenKind, entropy: bytes) -> SecretValue:
    """Return the plaintext of a new token. `entropy` is random and has ENTROPY bytes.

    Its characters can stand in a header, in a query and in a word of a shell.
    """
    if len(entropy) != ENTROPY:
        raise ValueError(f"a token is made of {ENTROPY} random bytes")
    return SecretValue(kind.beginning + base64.urlsafe_b64encode(entropy).decode())


def prefix_of(plaintext: str) -> str:
    """Return how a plaintext begins, for people; any other text as it is.

    The prefix does not help to guess the rest.
    """
    for kind in TokenKind:
        if plaintext.startswith(kind.beginning):
            return plaintext[: len(kind.beginning) + _SHOWN]
    return plaintext


def _has_passed(expires_at: datetime | None, now: datetime) -> bool:
    return expires_at is not None and expires_at <= now


def _kind(value: object) -> TokenKind:
    for kind in TokenKind:
        if kind.word == value:
            return kind
    made = [kind.word for kind in TokenKind if kind is not TokenKind.ANALYSIS]
    raise InvalidDefinition(f"a token's kind is one of {', '.join(made)}")


def _level(value: object) -> AccessLevel:
    if value is None:
        return AccessLevel.READ
    for level in AccessLevel:
        if level.word == value:
            return level
    levels = ", ".join(level.word for level in AccessLevel)
    raise InvalidDefinition(f"a token's permission is one of {levels}")


def _analysis(
    kind: TokenKind, document: Mapping[str, object]
) -> tuple[str | None, str | None]:
    """Return the analysis and the run that a token belongs to."""
    analysis, run = document.get("analysis"), document.get("run")
    if kind is not TokenKind.ANALYSIS:
        if (analysis, run) != (None, None):
            raise InvalidDefinition("only an analysis token names an analysis or a run")
        return None, None
    if not is_id(analysis):
        raise InvalidDefinition("a token's analysis is an id of 24 hexadecimal digits")
    if run is not None:
        run = require_text(run, "a token's run", longest=_LONGEST_RUN)
    return str(analysis), run


def _actions(value: object) -> frozenset[str]:
    ids = require_list(value, "a token's actions", longest=_MOST_ACTIONS)
    if not ids:
        raise InvalidDefinition(
            "a token's actions name at least one; leave them out for all of them"
        )
    if not all(map(is_id, ids)):
        raise InvalidDefinition("a token's actions are ids of 24 hexadecimal digits")
    return frozenset(map(str, ids))
