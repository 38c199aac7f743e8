"""Verification of the trail over the API: each token is told what is its own."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from tests.e2e.api.conftest import Founded
from tests.installed.api import Api, answering, token_of
from tests.installed.home import Home
from tests.services import deadline

WITHIN = timedelta(seconds=20)
EDITED = "it was edited, moved here or put in"


@pytest.fixture(scope="module")
def home(founded: Founded, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Two profiles, each with tokens; a record of the first one was altered."""
    home = founded.copied(tmp_path_factory.mktemp("altered") / "home").home
    home.run("init", "--profile", "north", "--no-token")
    return home


@pytest.fixture(scope="module")
def tokens(home: Home) -> Mapping[str, str]:
    north = home.under({"KEYRELAY_PROFILE": "north"})
    return {
        "ours": token_of(home, "write"),
        "read": token_of(home, "read"),
        "theirs": token_of(north, "write"),
        "operator": home.run("token", "create", "ops", "--operator").strip(),
    }


@pytest.fixture(scope="module")
def altered(home: Home, tokens: Mapping[str, str]) -> str:
    """Alter the record of a token's making, and return its id."""
    with closing(sqlite3.connect(home.path / "keyrelay.db")) as database, database:
        wanted = "kind = 'change' AND document LIKE '%for read%'"
        (id_,) = database.execute(
            f"SELECT id FROM audit_records WHERE {wanted} LIMIT 1"  # noqa: S608
        ).fetchone()
        database.execute(
            "UPDATE audit_records SET document = replace(document, 'for read', 'b')"
            " WHERE id = ?",
            (id_,),
        )
    return str(id_)


@pytest.fixture(scope="module")
def running(home: Home, altered: str) -> Iterator[Api]:
    with answering(home) as api:
        yield api


def verified(api: Api) -> Mapping[str, object]:
    """Verify, and return what is then answered."""
    started = api.ask("POST", "/audit/verify", {})
    assert started.status == 202

    def shown() -> Mapping[str, object]:
        result = api.get("/audit/verify").result
        assert isinstance(result, dict)
        assert result["verification"]["id"] == started.field("id")
        return result

    assert deadline.met(lambda: of(shown(), "state") == "done", WITHIN)
    return shown()


def of(shown: Mapping[str, object], name: str) -> object:
    verification = shown["verification"]
    assert isinstance(verification, dict)
    return verification[name]


def test_nothing_was_verified_yet(running: Api, tokens: Mapping[str, str]) -> None:
    found = running.with_token(tokens["read"]).get("/audit/verify")

    nothing: object = {"verification": None, "findings": [], "next": None}
    assert (found.status, found.result) == (200, nothing)


def test_an_operator_is_told_whose_record_it_is_and_where(
    running: Api, tokens: Mapping[str, str], altered: str
) -> None:
    shown = verified(running.with_token(tokens["operator"]))

    findings = shown["findings"]
    assert isinstance(findings, list)
    assert (of(shown, "sound"), of(shown, "refused")) == (False, len(findings))
    first = findings[0]
    assert first["subject"] == altered
    assert first["reason"].startswith("chain ")
    assert ", record " in first["reason"]
    assert ", profile " in first["reason"]
    assert first["reason"].endswith(EDITED)


def test_a_profile_is_told_of_its_own_first_bad_record(
    running: Api, tokens: Mapping[str, str], altered: str
) -> None:
    verified(running.with_token(tokens["ours"]))

    shown = running.with_token(tokens["read"]).get("/audit/verify").result

    assert isinstance(shown, dict)
    (finding,) = shown["findings"]
    assert (of(shown, "sound"), of(shown, "total")) == (False, 0)
    assert (finding["subject"], finding["reason"]) == (altered, EDITED)


def test_another_profile_is_told_no_and_no_more(
    running: Api, tokens: Mapping[str, str]
) -> None:
    shown = verified(running.with_token(tokens["theirs"]))

    assert (of(shown, "sound"), shown["findings"]) == (False, [])


def test_of_a_sound_trail_an_operator_is_told_how_much_was_followed(
    founded: Founded, tmp_path: Path
) -> None:
    home = founded.copied(tmp_path / "home").home
    operator = home.run("token", "create", "ops", "--operator").strip()
    with answering(home) as api:
        shown = verified(api.with_token(operator))

    assert (of(shown, "sound"), shown["findings"]) == (True, [])
    message = str(of(shown, "message"))
    assert message.startswith(f"{of(shown, 'total')} records in ")
    assert message.endswith(" chains: nothing is missing or altered")
