"""The envelope: whatever is asked, the answer is JSON that TagoIO's clients read."""

import httpx
import pytest

from tests.installed.api import Api, answering, token_of
from tests.installed.home import Home

SECRET = {
    "key": "word",
    "value": "hunter2-the-value",
    "tags": [{"key": "env", "value": "test"}],
}
CANARY = "hunter2-the-value"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nothing", None, 404),
        ("PATCH", "/secrets", None, 405),
        ("OPTIONS", "/secrets", None, 405),
        ("POST", "/secrets", b"", 400),
        ("POST", "/secrets", b'{"value": "hunter2-the-value"', 400),
        ("POST", "/secrets", b'{"key": "word", "value": "hunter2-\\ud800"}', 400),
        ("POST", "/secrets", b'["hunter2-the-value"]', 400),
        ("POST", "/secrets", {**SECRET, "value": 7}, 400),
        ("POST", "/secrets", {**SECRET, "value": CANARY * 200}, 400),
        ("POST", "/secrets", {**SECRET, "unheard": CANARY}, 400),
        ("POST", "/secrets", b" " * 2_000_000, 413),
        ("GET", "/secrets?page=0", None, 400),
        ("GET", "/secrets?filter[key]=%FF", None, 400),
        ("GET", f"/secrets/{CANARY}", None, 404),
        ("GET", f"/secrets?orderBy={CANARY}", None, 400),
    ],
)
def test_every_refusal_has_the_envelope_and_repeats_nothing(
    api: Api, method: str, path: str, body: object, status: int
) -> None:
    answer = api.ask(method, path, body)

    assert answer.status == status
    assert answer.document.keys() == {"status", "message"}
    assert answer.document["status"] is False
    assert answer.message
    assert CANARY not in f"{answer.document}{answer.headers}"


@pytest.mark.parametrize("path", ["/secrets", "/nothing"])
def test_no_answer_is_kept_by_a_cache_or_read_as_another_type(
    api: Api, path: str
) -> None:
    headers = api.get(path).headers

    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-type"] == "application/json"
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("path", ["/secrets", "/action", "/am", "/info"])
def test_both_spellings_of_a_path_answer_alike(api: Api, path: str) -> None:
    plain, slashed = api.get(path), api.get(f"{path}/")

    assert plain.status == slashed.status == 200
    assert plain.document == slashed.document


def test_a_body_that_is_announced_and_empty_is_none(api: Api) -> None:
    answer = api.ask("GET", "/secrets", headers={"content-type": "application/json"})

    assert answer.status == 200
    assert answer.result == []


def test_head_is_answered_without_a_body(api: Api) -> None:
    answer = api.ask("HEAD", "/secrets")

    assert (answer.status, answer.document) == (200, {})


def test_a_wrong_method_is_told_the_right_ones(api: Api) -> None:
    assert api.ask("PATCH", "/secrets").headers["allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize(
    "token", [None, "", "p-", "nonsense", "p-" + "x" * 40, "p-" + "x" * 5000, "ü"]
)
def test_a_token_that_is_none_is_denied(api: Api, token: str | None) -> None:
    headers = [] if token is None else [(b"token", token.encode("latin-1"))]

    answer = httpx.get(f"{api.url}/secrets", headers=headers)

    assert answer.status_code == 401
    assert answer.json() == {"status": False, "message": "Authorization Denied"}


def test_two_tokens_at_once_are_denied(api: Api) -> None:
    assert api.token is not None
    headers = [("token", api.token), ("token", api.token)]

    assert httpx.get(f"{api.url}/secrets", headers=headers).status_code == 401


def test_a_sealed_vault_is_answered_with_503_for_a_right_token_too(
    home: Home,
) -> None:
    token = token_of(home, "full")
    (home.path / "key").rename(home.path / "elsewhere")
    with answering(home) as sealed:
        answer = sealed.with_token(token).get("/secrets")

    assert answer.status == 503
    assert answer.document["status"] is False
    assert str(home.path) not in str(answer.document)
