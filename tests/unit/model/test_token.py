import re
from collections.abc import Mapping
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.instant import wire_date
from keyrelay.model.token import (
    ENTROPY,
    AccessLevel,
    Token,
    TokenKind,
    TokenRights,
    parse_rights,
    parse_token,
    plaintext_of,
    prefix_of,
    rights_document,
)
from tests.samples import MAIL_ACTION, NOON, PROFILE, QUEUE_ACTION
from tests.unit.vault.exposure import everything_said

CANARY = "canary-7f3a"
ANALYSIS = "5" * 24
RIGHTS = [
    *[TokenRights(kind=TokenKind.PROFILE, level=level) for level in AccessLevel],
    TokenRights(kind=TokenKind.PRODUCER),
    TokenRights(kind=TokenKind.PRODUCER, actions=frozenset({MAIL_ACTION})),
    TokenRights(kind=TokenKind.OPERATOR),
    TokenRights(kind=TokenKind.ANALYSIS, analysis=ANALYSIS),
    TokenRights(kind=TokenKind.ANALYSIS, analysis=ANALYSIS, run="run-7"),
]


def a_token(expires_at: datetime | None) -> Token:
    return Token(
        id="7" * 24,
        profile=PROFILE,
        name="ci",
        rights=RIGHTS[0],
        prefix="p-AAAAAAAA",
        expires_at=expires_at,
    )


def test_a_name_is_enough_for_a_token_that_reads_its_profile_and_never_expires() -> (
    None
):
    draft = parse_token({"name": "ci"})

    assert draft.name == "ci"
    assert draft.rights == TokenRights(kind=TokenKind.PROFILE, level=AccessLevel.READ)
    assert draft.expires_at is None


@pytest.mark.parametrize("word", ["read", "write", "full"])
def test_a_permission_is_a_level(word: str) -> None:
    level = parse_token({"name": "ci", "permission": word}).rights.level

    assert level is not None
    assert level.word == word


def test_each_level_includes_those_below() -> None:
    assert AccessLevel.READ < AccessLevel.WRITE < AccessLevel.FULL


def test_a_producer_token_may_be_bound_to_actions() -> None:
    document = {"name": "boiler", "kind": "producer"}
    ids: list[object] = [QUEUE_ACTION, MAIL_ACTION, MAIL_ACTION]

    assert parse_token(document).rights.actions is None
    bound = parse_token({**document, "actions": ids}).rights
    assert bound.actions == frozenset({MAIL_ACTION, QUEUE_ACTION})


@pytest.mark.parametrize("never", ["never", None])
def test_a_token_may_expire_at_an_instant_or_never(never: object) -> None:
    written = wire_date(NOON)

    assert parse_token({"name": "ci", "expire_time": written}).expires_at == NOON
    assert parse_token({"name": "ci", "expire_time": never}).expires_at is None
    assert wire_date(None) == "never"


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"name": ""},
        {"name": 7},
        {"name": "two  spaces"},
        {"name": "n" * 101},
        {"name": "ci", CANARY[:6]: "x"},
        {"name": "ci", "permission": CANARY},
        {"name": "ci", "permission": ["full"]},
        {"name": "ci", "permission": "FULL"},
        {"name": "ci", "kind": CANARY},
        {"name": "ci", "kind": "analysis"},
        {"name": "ci", "kind": "analysis", "analysis": ANALYSIS},
        {"name": "ci", "analysis": ANALYSIS},
        {"name": "ci", "run": "run-7"},
        {"name": "ci", "kind": None},
        {"name": "ci", "kind": "producer", "permission": "read"},
        {"name": "ci", "kind": "operator", "permission": "full"},
        {"name": "ci", "actions": [MAIL_ACTION]},
        {"name": "ci", "kind": "operator", "actions": [MAIL_ACTION]},
        {"name": "ci", "kind": "producer", "actions": MAIL_ACTION},
        {"name": "ci", "kind": "producer", "actions": []},
        {"name": "ci", "kind": "producer", "actions": [CANARY]},
        {"name": "ci", "kind": "producer", "actions": [7]},
        {"name": "ci", "kind": "producer", "actions": [MAIL_ACTION] * 101},
        {"name": "ci", "expire_time": CANARY},
        {"name": "ci", "expire_time": 90},
        {"name": "ci", "expire_time": "2031-01-01"},
    ],
    ids=str,
)
def test_anything_else_is_refused_without_being_repeated(
    document: Mapping[str, object],
) -> None:
    with pytest.raises(InvalidDefinition) as refusal:
        parse_token(document)

    assert CANARY not in everything_said(refusal.value)


@pytest.mark.parametrize("rights", RIGHTS, ids=str)
def test_rights_are_read_as_they_are_written(rights: TokenRights) -> None:
    assert parse_rights(rights_document(rights)) == rights


@pytest.mark.parametrize(
    "document",
    [
        {"kind": "profile", "superuser": True},
        {"kind": "profile", "analysis": ANALYSIS},
        {"kind": "operator", "run": "run-7"},
        {"kind": "analysis"},
        {"kind": "analysis", "analysis": "boiler"},
        {"kind": "analysis", "analysis": ANALYSIS, "run": 7},
        {"kind": "analysis", "analysis": ANALYSIS, "run": "r" * 65},
        {"kind": "analysis", "analysis": ANALYSIS, "permission": "read"},
    ],
    ids=str,
)
def test_rights_that_a_row_cannot_hold_are_refused(
    document: Mapping[str, object],
) -> None:
    with pytest.raises(InvalidDefinition):
        parse_rights(document)


def test_the_token_of_an_analysis_is_not_made_by_itself() -> None:
    with pytest.raises(InvalidDefinition, match="is made with the analysis"):
        parse_token({"name": "ci", "kind": "analysis"})
    with pytest.raises(InvalidDefinition, match="profile, producer, operator"):
        parse_token({"name": "ci", "kind": "other"})


@pytest.mark.parametrize(
    ("kind", "level", "actions"),
    [
        (TokenKind.PROFILE, None, None),
        (TokenKind.OPERATOR, AccessLevel.READ, None),
        (TokenKind.PROFILE, AccessLevel.READ, frozenset({MAIL_ACTION})),
        (TokenKind.OPERATOR, None, frozenset({MAIL_ACTION})),
        (TokenKind.ANALYSIS, None, None),
    ],
)
def test_rights_that_no_kind_has_are_never_made(
    kind: TokenKind, level: AccessLevel | None, actions: frozenset[str] | None
) -> None:
    with pytest.raises(ValueError, match="token"):
        TokenRights(kind=kind, level=level, actions=actions)


@pytest.mark.parametrize(
    ("analysis", "run"), [(ANALYSIS, None), (None, "run-7"), (ANALYSIS, "run-7")]
)
def test_only_an_analysis_token_belongs_to_an_analysis_or_a_run(
    analysis: str | None, run: str | None
) -> None:
    with pytest.raises(ValueError, match="token"):
        TokenRights(kind=TokenKind.OPERATOR, analysis=analysis, run=run)


def test_a_token_is_expired_from_the_instant_on_that_it_names() -> None:
    token = a_token(NOON + timedelta(days=1))

    assert not token.is_expired(NOON)
    assert token.is_expired(NOON + timedelta(days=1))
    assert not a_token(None).is_expired(NOON + timedelta(days=10_000))


@pytest.mark.parametrize("kind", TokenKind)
@given(entropy=st.binary(min_size=ENTROPY, max_size=ENTROPY))
def test_a_plaintext_holds_all_of_its_entropy(kind: TokenKind, entropy: bytes) -> None:
    plaintext = plaintext_of(kind, entropy).reveal()

    assert re.fullmatch(r"[a-z]-[A-Za-z0-9_-]{36}", plaintext)
    assert plaintext.startswith(kind.beginning)
    assert (
        plaintext != plaintext_of(kind, bytes([entropy[0] ^ 1, *entropy[1:]])).reveal()
    )
    assert plaintext.startswith(prefix_of(plaintext))
    assert len(plaintext) - len(prefix_of(plaintext)) >= 28  # 168 bits


def test_no_two_kinds_begin_alike() -> None:
    assert len({kind.beginning for kind in TokenKind}) == len(TokenKind)
    assert len({kind.word for kind in TokenKind}) == len(TokenKind)


def test_a_plaintext_is_made_of_nothing_less_than_its_entropy() -> None:
    with pytest.raises(ValueError, match="27 random bytes"):
        plaintext_of(TokenKind.PROFILE, b"short")


def test_other_texts_are_their_own_prefix() -> None:
    assert prefix_of("ci") == "ci"
