"""Sessions: begun with a token that is typed once, over when they should be."""

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import trustme

from tests.e2e.console.conftest import SignIn
from tests.e2e.console.site import (
    COOKIE,
    ROOT,
    Page,
    Prepared,
    Site,
    Visitor,
    serving,
)
from tests.installed.api import answering, token_of

WITHIN = timedelta(seconds=1)  # a revoked token counts nowhere any more


def begun(site: Site, token: str) -> str:
    """Sign in with it; return the header that keeps the session in the browser."""
    answer = site.visitor().sign_in(token).answer
    return next(
        header
        for each in (*answer.history, answer)
        for header in each.headers.get_list("set-cookie")
    )


def is_signed_in(visitor: Visitor) -> bool:
    return visitor.get("/secrets").path == "/secrets"


def form_token(visitor: Visitor) -> str:
    page = visitor.get("/secrets")
    return dict(page.form("/sign-out").pairs)["form_token"]


def sign_out(visitor: Visitor, *more: tuple[str, str]) -> Page:
    return visitor.post("/sign-out", [("form_token", form_token(visitor)), *more])


@pytest.fixture
def secure_site(
    prepared: Prepared, authority: trustme.CA, ca_file: Path, tmp_path: Path
) -> Iterator[Site]:
    """One that is reached over TLS."""
    issued = authority.issue_cert("127.0.0.1")
    pem = tmp_path / "api.pem"
    pem.touch(mode=0o600)
    issued.private_key_and_cert_chain_pem.write_to_path(pem)
    files = ("KEYRELAY_API_TLS_CERTIFICATE", "KEYRELAY_API_TLS_KEY")
    home = prepared.home.copied(tmp_path / "home", dict.fromkeys(files, str(pem)))
    with answering(home) as api:
        site = Site(home=home, api=api, tokens=prepared.tokens, ca_file=ca_file)
        yield site
        site.close()


# --- the beginning


def test_scripts_and_other_sites_cannot_use_the_cookie(site: Site) -> None:
    cookie = begun(site, site.tokens["full"])

    words = [word.strip().lower() for word in cookie.split(";")]
    assert words[0].startswith(f"{COOKIE}=")
    assert {"httponly", "samesite=strict", f"path={ROOT}"} <= {*words}
    assert f"max-age={12 * 60 * 60}" in words
    assert not [word for word in words if word.startswith("domain")]
    assert site.tokens["full"] not in cookie


def test_over_tls_the_cookie_is_sent_over_tls_alone(secure_site: Site) -> None:
    assert "Secure" in begun(secure_site, secure_site.tokens["full"])


def test_one_who_signs_in_goes_on_to_the_page_that_was_asked_for(site: Site) -> None:
    visitor = site.visitor()

    asked = visitor.get("/secrets?key=smtp*")
    there = asked.submit("/sign-in", token=site.tokens["read"])

    assert asked.path.startswith("/sign-in?next=")
    assert there.path == "/secrets?key=smtp*"


@pytest.mark.parametrize(
    "next_",
    [
        "//evil.example",
        "https://evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "\t//evil.example",
        "/\r\nLocation: https://evil.example",
        "/..//evil.example",
        "/@evil.example",
        "javascript:alert(1)",
        "/%2f%2fevil.example",
        "/%2e%2e/reference",
    ],
)
def test_nobody_is_led_away_by_signing_in(site: Site, next_: str) -> None:
    visitor = site.visitor()

    sent = visitor.post(
        "/sign-in", [("token", site.tokens["read"]), ("next", next_)], follow=False
    )

    assert sent.status == 303
    assert sent.answer.headers.get_list("location")[0].startswith(f"{ROOT}/")
    away = ("..", "//", "%2f", "%2F", "\\", "%5C")
    assert not [each for each in away if each in sent.answer.headers["location"]]
    assert visitor.cookie


def test_nobody_is_led_away_by_choosing_a_theme(visitor: Visitor) -> None:
    sent = visitor.post(
        "/theme", [("theme", "dark"), ("address", "//evil.example")], follow=False
    )

    assert sent.answer.headers["location"] == f"{ROOT}/"


@pytest.mark.parametrize("kind", ["producer", "operator"])
def test_only_a_profile_token_begins_a_session(site: Site, kind: str) -> None:
    other = site.home.run("token", "create", f"a {kind}", f"--{kind}").strip()
    visitor = site.visitor()

    page = visitor.sign_in(other)

    assert page.status == 401
    assert "a profile token, which begins with p-" in page.text.replace("`", "")
    assert not visitor.cookie
    assert other not in page.html


@pytest.mark.parametrize("typed", ["p-wrong", "x", "é", "p-" + "A" * 10_000])
def test_a_wrong_token_begins_nothing_and_does_not_come_back(
    own_site_of_tries: Site, typed: str
) -> None:
    visitor = own_site_of_tries.visitor()

    page = visitor.sign_in(typed)

    assert page.status == 401
    assert "no token that counts" in page.text
    assert not visitor.cookie
    assert len(typed) == 1 or typed not in page.html


def test_wrong_tokens_are_slowed_down_and_right_ones_are_not(own_site: Site) -> None:
    visitor = own_site.visitor()

    pages = [visitor.sign_in("p-wrong") for _ in range(11)]
    right = own_site.visitor().sign_in(own_site.tokens["full"])

    assert [page.status for page in pages] == [401] * 10 + [429]
    assert "Too many wrong tokens: try again in" in pages[-1].text
    assert right.path == "/"


# --- the end


def test_signing_out_ends_this_session_alone(signed_in: SignIn) -> None:
    here, elsewhere = signed_in("write"), signed_in("write")
    kept = here.cookie

    left = sign_out(here)

    assert left.path == "/sign-in"
    assert not here.cookie
    here.client.cookies.set(COOKIE, kept, path=ROOT)
    assert not is_signed_in(here)
    assert is_signed_in(elsewhere)


def test_signing_out_everywhere_ends_each_session_of_the_token(
    signed_in: SignIn,
) -> None:
    here, elsewhere, other = signed_in("write"), signed_in("write"), signed_in("read")

    sign_out(here, ("everywhere", "on"))

    assert not is_signed_in(elsewhere)
    assert is_signed_in(other)


def test_a_session_ends_with_its_token_within_a_second(site: Site) -> None:
    token = token_of(site.home, "full")
    visitor = site.visitor()
    visitor.sign_in(token)
    before = is_signed_in(visitor)

    site.home.run("token", "revoke", token[:10])
    end = time.monotonic() + WITHIN.total_seconds()
    while is_signed_in(visitor):
        assert time.monotonic() < end, "it counts still"

    assert before


def test_a_session_counts_in_each_process(site: Site) -> None:
    visitor = site.signed_in("read")

    with answering(site.home) as second:
        other = Site(home=site.home, api=second, tokens=site.tokens)
        moved = other.visitor()
        moved.client.cookies.set(COOKIE, visitor.cookie, path=ROOT)
        there = is_signed_in(moved)
        sign_out(moved)
        other.close()

    assert there
    assert not is_signed_in(visitor)


def test_an_altered_cookie_leads_to_signing_in(signed_in: SignIn) -> None:
    visitor = signed_in("read")
    cookie = visitor.cookie
    for altered in (cookie[:-1], cookie + "A", cookie.replace(".", ".0", 1), "a.b"):
        visitor.client.cookies.clear()
        visitor.client.cookies.set(COOKIE, altered, path=ROOT)

        assert not is_signed_in(visitor)


# --- forms


@pytest.mark.parametrize("given", ["", "another session's", "made up"])
def test_a_form_without_the_session_s_own_token_does_nothing(
    signed_in: SignIn, given: str
) -> None:
    visitor, other = signed_in("full"), signed_in("full")
    token = {"another session's": form_token(other), "made up": "a.b"}.get(given, "")

    refused = visitor.post("/sign-out", [("form_token", token)])

    assert refused.status == 401
    assert is_signed_in(visitor)


def test_an_operator_token_is_added_to_a_session(site: Site) -> None:
    operator = site.home.run("token", "create", "op", "--operator").strip()
    visitor = site.signed_in("full")
    token = ("form_token", form_token(visitor))

    wrong = visitor.post("/operator", [token, ("token", site.tokens["full"])])
    added = visitor.post("/operator", [token, ("token", operator)])

    assert wrong.status == 400
    assert "The facts of the whole installation are shown now." in added.text
    assert operator not in added.html
    assert operator not in visitor.cookie


@pytest.fixture(scope="module")
def own_site_of_tries(
    prepared: Prepared, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """One whose wrong tokens are no other test's."""
    with serving(prepared.copied(tmp_path_factory.mktemp("tries") / "home")) as site:
        yield site
