"""The envelope: whatever is asked, the answer is JSON that TagoIO's clients read."""

import signal
import socket

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
    shared_api: Api, method: str, path: str, body: object, status: int
) -> None:
    answer = shared_api.ask(method, path, body)

    assert answer.status == status
    assert answer.document.keys() == {"status", "message"}
    assert answer.document["status"] is False
    assert answer.message
    assert CANARY not in f"{answer.document}{answer.headers}"


@pytest.mark.parametrize("path", ["/secrets", "/nothing"])
def test_no_answer_is_kept_by_a_cache_or_read_as_another_type(
    shared_api: Api, path: str
) -> None:
    headers = shared_api.get(path).headers

    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-type"] == "application/json"
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("path", ["/secrets", "/action", "/am", "/info"])
def test_both_spellings_of_a_path_answer_alike(shared_api: Api, path: str) -> None:
    plain, slashed = shared_api.get(path), shared_api.get(f"{path}/")

    assert plain.status == slashed.status == 200
    assert plain.document == slashed.document


def test_a_body_that_is_announced_and_empty_is_none(shared_api: Api) -> None:
    answer = shared_api.ask(
        "GET", "/secrets", headers={"content-type": "application/json"}
    )

    assert answer.status == 200
    assert answer.result == []


def test_head_is_answered_without_a_body(shared_api: Api) -> None:
    answer = shared_api.ask("HEAD", "/secrets")

    assert (answer.status, answer.document) == (200, {})


def test_a_wrong_method_is_told_the_right_ones(shared_api: Api) -> None:
    assert shared_api.ask("PATCH", "/secrets").headers["allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize(
    "token", [None, "", "p-", "nonsense", "p-" + "x" * 40, "p-" + "x" * 5000, "ü"]
)
def test_a_token_that_is_none_is_denied(shared_api: Api, token: str | None) -> None:
    headers = [] if token is None else [(b"token", token.encode("latin-1"))]

    answer = httpx.get(f"{shared_api.url}/secrets", headers=headers)

    assert answer.status_code == 401
    assert answer.json() == {"status": False, "message": "Authorization Denied"}


def test_two_tokens_at_once_are_denied(shared_api: Api) -> None:
    assert shared_api.token is not None
    headers = [("token", shared_api.token), ("token", shared_api.token)]

    assert httpx.get(f"{shared_api.url}/secrets", headers=headers).status_code == 401


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


def test_a_client_that_hangs_up_within_its_body_leaves_no_trace_of_a_fault(
    api: Api,
) -> None:
    url = httpx.URL(api.url)
    head = f"POST /secrets HTTP/1.1\r\nhost: x\r\ntoken: {api.token}\r\n"
    with socket.create_connection((url.host, url.port or 0)) as peer:
        peer.sendall(f"{head}content-length: 100\r\n\r\n{{".encode())
    answer = api.get("/secrets")
    api.command.send(signal.SIGTERM)
    api.command.await_said("api stopped")

    assert answer.status == 200
    assert api.command.count("Exception") == 0
