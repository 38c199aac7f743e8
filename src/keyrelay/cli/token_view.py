"""Token view: how a token is shown, always without its plaintext."""

from collections.abc import Mapping
from datetime import datetime

from keyrelay.cli.output import Document
from keyrelay.model.instant import wire_date
from keyrelay.model.token import (
    AccessLevel,
    Token,
    TokenKind,
    rights_document,
)
from keyrelay.stores.definitions.token_rows import StoredToken

_MAY: Mapping[AccessLevel, str] = {
    AccessLevel.READ: "may read all of its profile but tokens",
    AccessLevel.WRITE: "may read and change all of its profile but tokens and policies",
    AccessLevel.FULL: "may do everything in its profile",
}


def token_document(stored: StoredToken, last_use: datetime | None = None) -> Document:
    """`last_use` is None for one that was never used, as a new one."""
    token = stored.token
    return {
        "id": token.id,
        "name": token.name,
        "permission": None,
        "actions": None,
        "analysis": None,
        **rights_document(token.rights),
        "prefix": token.prefix,
        "created_by": stored.created_by,
        "created_at": wire_date(stored.created_at),
        "expire_time": wire_date(token.expires_at),
        "last_authorization": wire_date(last_use),
    }


def sentence_of(token: Token) -> str:
    """Return what is said beside a token that was just made."""
    return f"{token.name} ({token.id}) {_may(token)}. It is shown this once: keep it."


def _may(token: Token) -> str:
    rights = token.rights
    match rights.kind:
        case TokenKind.OPERATOR:
            return "is an operator's of the whole installation"
        case TokenKind.PRODUCER if rights.actions is not None:
            return f"may publish triggers to {len(rights.actions)} action(s)"
        case TokenKind.PRODUCER:
            return "may publish triggers to all actions of its profile"
        case _:
            return _MAY[rights.level or AccessLevel.READ]
