"""Analysis tokens: what the token of a script tells of its analysis, and is told in."""

from tests.e2e.api.conftest import Founded
from tests.e2e.api.furnished import analysis_token
from tests.installed.api import Api, answering


def test_info_tells_a_script_which_analysis_it_is(shared: Founded) -> None:
    token = analysis_token(shared.home)
    with answering(shared.home) as running:
        told = running.with_token(token).get("/info").result
        listed = running.with_token(shared.token).get("/tokens").result

    assert isinstance(told, dict)
    assert isinstance(listed, list)
    of = {name: told[name] for name in ("name", "active", "run_on")}
    assert of == {
        "name": "boiler",
        "active": True,
        "run_on": "external",
    }
    about = {"name": "boiler", "kind": "analysis", "analysis": told["id"]}
    assert told["token"] == {**about, "prefix": token[:10]}
    (row,) = [each for each in listed if each["kind"] == "analysis"]
    assert {name: row[name] for name in (*about, "prefix")} == told["token"]


def test_the_list_of_tokens_neither_makes_nor_revokes_that_of_an_analysis(
    shared: Founded, shared_api: Api
) -> None:
    analysis_token(shared.home)
    rows = shared_api.get("/tokens").result
    assert isinstance(rows, list)
    (id_, *_) = [each["id"] for each in rows if each["kind"] == "analysis"]

    revoked = shared_api.ask("DELETE", f"/tokens/{id_}")
    made = shared_api.ask("POST", "/tokens", {"name": "x", "kind": "analysis"})

    assert (revoked.status, made.status) == (400, 400)
    assert "ends with it" in str(revoked.message)
    assert "is made with the analysis" in str(made.message)
