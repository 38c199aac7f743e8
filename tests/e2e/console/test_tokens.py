"""Tokens: listed, made, shown once and revoked, by full tokens alone."""

from collections.abc import Mapping

import pytest

from tests.e2e.console.conftest import SignIn
from tests.e2e.console.site import Page, Site, Visitor


def make(visitor: Visitor, name: str, **typed: str | list[str]) -> Page:
    return visitor.get("/tokens/new").submit("/tokens/new", name=name, **typed)


def plaintext(page: Page) -> str:
    """Return the token that the page shows."""
    had = (attributes for _, attributes in page.markup.elements)
    return next(each["data-copy"] for each in had if "data-copy" in each)


def token(site: Site, name: str) -> Mapping[str, object]:
    rows = site.api.get(f"/tokens?filter[name]={name}").result
    assert isinstance(rows, list)
    found = rows[0]
    assert isinstance(found, dict)
    return found


def test_a_token_is_shown_on_the_answer_and_never_again(
    site: Site, visitor: Visitor
) -> None:
    made = make(visitor, "once", permission="write")
    shown = plaintext(made)

    assert made.status == 200
    assert not made.answer.history
    assert made.answer.headers["cache-control"] == "no-store"
    assert shown not in str(made.answer.url)
    assert "I have stored it" in made.text
    assert site.api.with_token(shown).get("/secrets").status == 200
    assert shown not in visitor.get("/tokens").html
    assert token(site, "once")["permission"] == "write"


def test_the_list_tells_what_each_token_is(site: Site, visitor: Visitor) -> None:
    make(visitor, "told", permission="read", expiry="2100-01-31")

    page = visitor.get("/tokens?name=told")

    row = token(site, "told")
    assert row["expire_time"] == "2100-01-31T23:59:59.000Z"
    assert f"{row['prefix']}…" in page.text
    assert "profile read" in page.text
    assert "yours" not in page.text


def test_a_producer_token_is_bound_to_the_actions_that_were_named(
    site: Site, visitor: Visitor
) -> None:
    mail = {"from": "a@example.com", "to": "b@example.com", "subject": "s"}
    secret = {
        "key": "mail",
        "value": {
            "smtp_server": "mail.example.com",
            "smtp_port": 587,
            "username": "u",
            "password": "the-password",
        },
        "tags": [{"key": "use", "value": "mail"}],
    }
    id_ = site.api.ask("POST", "/secrets", secret).field("id")
    what = {"type": "email-smtp", "message": "m", "smtp_secret": id_, **mail}
    document = {"name": "tell", "action": what}
    action = site.api.ask("POST", "/action", document).field("action")

    make(visitor, "shop", kind="producer", action=["tell", ""])

    row = token(site, "shop")
    assert (row["kind"], row["actions"]) == ("producer", [action])
    assert "publish to tell" in visitor.get("/tokens?name=shop").text


def test_a_form_that_is_refused_keeps_what_was_typed(visitor: Visitor) -> None:
    refused = make(visitor, "early", permission="write", expiry="2001-01-31")

    form = refused.form("/tokens/new")
    assert refused.status == 400
    assert 'role="alert"' in refused.html
    assert {("name", "early"), ("permission", "write")} <= {*form.pairs}


def test_revoking_names_the_token_and_ends_it(site: Site, visitor: Visitor) -> None:
    shown = plaintext(make(visitor, "revoked-one"))
    id_ = token(site, "revoked-one")["id"]

    asked = visitor.get(f"/tokens/{id_}/revoke")
    revoked = asked.submit(f"/tokens/{id_}/revoke")

    assert "Revoke revoked-one?" in asked.text
    assert "Revoked." in revoked.text
    assert "revoked-one" not in revoked.text
    assert site.api.with_token(shown).get("/secrets").status == 401


def test_who_revokes_the_own_token_is_warned(site: Site, visitor: Visitor) -> None:
    page = visitor.get("/tokens")
    rows = site.api.get("/tokens").result
    assert isinstance(rows, list)
    full = site.tokens["full"]
    own = next(row["id"] for row in rows if full.startswith(row["prefix"]))

    assert "yours" in page.text
    assert "your session ends" in visitor.get(f"/tokens/{own}/revoke").text


def test_a_token_that_is_gone_is_said_to_be_gone(visitor: Visitor) -> None:
    page = visitor.get(f"/tokens/{'0' * 24}/revoke")

    assert page.status == 404
    assert "not there" in page.text


@pytest.mark.parametrize("level", ["write", "read"])
def test_other_tokens_see_the_refusal_and_no_entry_in_the_rail(
    signed_in: SignIn, level: str
) -> None:
    visitor = signed_in(level)

    pages = [visitor.get(path) for path in ("/tokens", "/tokens/new")]

    assert [page.status for page in pages] == [401, 401]
    assert all("Authorization Denied" in page.text for page in pages)
    assert all("/console/tokens" not in page.links for page in pages)
    assert "/console/tokens" in signed_in("full").get("/secrets").links
