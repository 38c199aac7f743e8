"""Borders: what stands before every page, and around it."""

import gzip
from collections.abc import Mapping

import httpx
import pytest

from tests.e2e.console.conftest import SignIn
from tests.e2e.console.site import ROOT, Site, Visitor

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
HEADERS = {
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
UNKNOWN = "/secrets/" + "0" * 24
PATHS = ("/sign-in", "/", "/secrets", UNKNOWN, "/no-such-page", "", "/secrets?page=x")


def policy_of(answer: httpx.Response) -> Mapping[str, str]:
    told = answer.headers["content-security-policy"]
    rows = (each.strip().partition(" ") for each in told.split(";"))
    return {name: value for name, _, value in rows}


# --- headers


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("level", ["full", None])
def test_each_answer_says_what_a_browser_may_do_with_it(
    site: Site, path: str, level: str | None
) -> None:
    visitor = site.visitor() if level is None else site.signed_in(level)

    answer = visitor.get(path).answer

    for each in (*answer.history, answer):
        assert policy_of(each) == POLICY
        assert {**each.headers}.items() >= HEADERS.items()
        assert "server" not in each.headers


def test_a_browser_at_the_address_itself_sees_the_console(site: Site) -> None:
    visitor = site.visitor()

    browser = visitor.client.get("/", headers={"Accept": "text/html,*/*"})
    program = visitor.client.get("/", headers={"Accept": "application/json"})

    assert browser.url.path == f"{ROOT}/sign-in"
    assert program.headers["content-type"] == "application/json"


def test_an_unknown_path_has_a_page_for_those_who_are_signed_in(
    visitor: Visitor, site: Site
) -> None:
    missing = visitor.get("/secrets/a/b/c")
    stranger = site.visitor().get("/secrets/a/b/c")

    assert missing.status == 404
    assert "The console has no such page." in missing.text
    assert stranger.path == "/sign-in?next=%2Fsecrets%2Fa%2Fb%2Fc"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_no_page_answers_a_method_that_forms_do_not_have(
    visitor: Visitor, method: str
) -> None:
    answer = visitor.client.request(method, f"{ROOT}/secrets")

    assert answer.status_code in (401, 403, 404)
    assert policy_of(answer) == POLICY


def test_a_page_that_is_only_sent_to_has_no_page_of_its_own(visitor: Visitor) -> None:
    assert visitor.get("/sign-out").status == 404


@pytest.mark.parametrize("path", ["/secrets", "/no-such-page", "/sign-in"])
def test_head_is_answered_as_get_is_without_the_page(
    visitor: Visitor, path: str
) -> None:
    get = visitor.client.get(f"{ROOT}{path}")
    head = visitor.client.head(f"{ROOT}{path}")

    assert head.status_code == get.status_code
    assert not head.content
    assert {**head.headers}.items() >= HEADERS.items()


# --- files


def files_of(visitor: Visitor) -> list[str]:
    """Return the addresses of the files that a page loads."""
    elements = visitor.get("/secrets").markup.elements
    named = [had.get("href") or had.get("src", "") for _, had in elements]
    return sorted({each.partition("#")[0] for each in named if "/static/" in each})


def test_each_file_that_a_page_loads_may_be_kept_for_good(visitor: Visitor) -> None:
    files = files_of(visitor)

    assert len(files) >= 5
    for path in files:
        plain = visitor.client.get(path, headers={"Accept-Encoding": "identity"})
        request = visitor.client.build_request(
            "GET", path, headers={"Accept-Encoding": "br, gzip;q=0.8"}
        )
        answer = visitor.client.send(request, stream=True)
        raw = b"".join(answer.iter_raw())
        kept = plain.headers.get_list("cache-control")
        assert kept == ["public, max-age=31536000, immutable"]
        assert plain.headers["vary"] == "Accept-Encoding"
        assert "content-encoding" not in plain.headers
        assert answer.headers["content-encoding"] == "gzip"
        assert gzip.decompress(raw) == plain.content
        assert policy_of(plain) == POLICY


@pytest.mark.parametrize(
    "name", ["none.css", "../application.py", "..%2fapplication.py", "%2e%2e/x", ""]
)
def test_only_the_console_s_own_files_are_handed_out(
    visitor: Visitor, name: str
) -> None:
    folder = files_of(visitor)[0].rpartition("/")[0]

    answer = visitor.client.get(f"{folder}/{name}")

    assert answer.status_code == 404


def test_files_of_another_version_are_not_taken_for_this_one_s(
    visitor: Visitor,
) -> None:
    answer = visitor.client.get(f"{ROOT}/static/{'0' * 16}/tokens.css")

    assert answer.status_code == 404
    assert answer.headers["cache-control"] == "no-store"


# --- where a request comes from


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "null", "Sec-Fetch-Site": "same-site"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "http://localhost:1"},
        {"Origin": ""},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/theme", "/no-such-page"])
def test_a_form_of_another_site_does_nothing(
    signed_in: SignIn, path: str, headers: Mapping[str, str]
) -> None:
    visitor = signed_in("read")
    token = dict(visitor.get("/secrets").form("/sign-out").pairs)["form_token"]

    refused = visitor.post(path, [("form_token", token)], headers, follow=False)

    assert refused.status == 403
    assert "set-cookie" not in refused.answer.headers
    assert policy_of(refused.answer) == POLICY
    assert visitor.get("/secrets").path == "/secrets"


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example:{port}", "a@b"],
)
@pytest.mark.parametrize("path", ["/sign-in", "/secrets", "/no-such-page", ""])
def test_a_foreign_name_that_leads_here_is_no_console(
    visitor: Visitor, path: str, host: str
) -> None:
    name = host.format(port=visitor.client.base_url.port)

    refused = visitor.client.get(f"{ROOT}{path}", headers={"Host": name})

    assert refused.status_code == 421
    assert "The console is reached at http://127.0.0.1:" in refused.text
    assert policy_of(refused) == POLICY


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]"])
def test_on_this_machine_any_of_its_own_names_will_do(
    visitor: Visitor, name: str
) -> None:
    host = f"{name}:{visitor.client.base_url.port}"

    assert visitor.client.get(f"{ROOT}/sign-in", headers={"Host": host}).is_success


# --- forms that are none


@pytest.mark.parametrize(
    "body",
    [
        b"\xff=1",
        b"token=%ff",
        b"&".join(b"a=1" for _ in range(1001)),
    ],
    ids=["not ASCII", "not UTF-8", "too many fields"],
)
def test_a_form_that_cannot_be_read_is_refused_with_a_page(
    site: Site, body: bytes
) -> None:
    visitor = site.visitor()

    refused = visitor.send("/sign-in", body)

    assert refused.status == 400
    assert policy_of(refused.answer) == POLICY
