"""Secrets: listed, made, replaced, deleted; no value comes back into a page."""

import re
from collections.abc import Mapping, Sequence

import pytest

from tests.e2e.console.conftest import SignIn
from tests.e2e.console.site import Page, Site, Visitor

CANARY = "canary-9b27"
VALUES: Mapping[str, Mapping[str, str]] = {
    "text": {"value": f"{CANARY} of two\nlines"},
    "smtp": {
        "smtp_server": "mail.example.com",
        "smtp_port": "587",
        "username": "relay@example.com",
        "password": CANARY,
    },
    "aws-sqs": {
        "aws_region": "eu-central-1",
        "queue_url": "https://sqs.eu-central-1.amazonaws.com/123456789012/orders",
        "access_key_id": "AKIAIOSFODNN7EXAMPLE",
        "secret_access_key": f"{CANARY}/{'k' * 28}",
    },
}


def create(
    visitor: Visitor, key: str, type_: str = "text", **typed: str | Sequence[str]
) -> Page:
    """Fill in and send the form of a new secret."""
    tagged: dict[str, str | Sequence[str]] = {"tag_key": "env", "tag_value": "test"}
    page = visitor.get(f"/secrets/new?type={type_}")
    return page.submit("/secrets/new", key=key, **{**VALUES[type_], **tagged, **typed})


def keys_of(page: Page) -> list[str]:
    """Return the keys that the list shows, in its order."""
    return [words for address, words in page.markup.links if _is_row(address)]


def _is_row(address: str) -> bool:
    return bool(re.fullmatch("/console/secrets/[0-9a-f]{24}", address))


def test_an_empty_list_says_what_secrets_are_for_and_offers_one(own_site: Site) -> None:
    page = own_site.signed_in().get("/secrets")

    assert "No secret yet" in page.text
    assert page.links.count("/console/secrets/new") == 2


@pytest.mark.parametrize("type_", VALUES)
def test_a_secret_of_each_type_is_made_and_its_value_is_never_shown(
    visitor: Visitor, type_: str
) -> None:
    made = create(visitor, f"made-{type_}", type_)

    assert made.status == 200
    assert "Created." in made.text
    pages = [
        made,
        *(
            visitor.get(f"/secrets/{made.last_id}{tab}")
            for tab in ("", "/replace", "/uses", "/history", "/more")
        ),
        visitor.get("/secrets"),
    ]
    assert f"made-{type_}" in pages[-1].text
    assert all(page.status == 200 for page in pages)
    assert all(CANARY not in page.html for page in pages)


def test_the_id_stands_in_the_tab_more(visitor: Visitor, site: Site) -> None:
    made = create(visitor, "with-an-id")

    more = visitor.get(f"/secrets/{made.last_id}/more")

    assert site.api.get(f"/secrets/{made.last_id}").field("key") == "with-an-id"
    assert f'data-copy="{made.last_id}"' in more.html


def test_a_form_that_is_refused_keeps_all_that_was_typed_but_the_value(
    visitor: Visitor,
) -> None:
    refused = create(
        visitor, "not a key!", tag_key=["use", "site"], tag_value=["mail", "north"]
    )

    form = refused.form("/secrets/new")
    assert refused.status == 400
    assert 'role="alert"' in refused.html
    assert "type it again" in refused.text
    assert ("key", "not a key!") in form.pairs
    assert [each for name, each in form.pairs if name == "tag_value"][:2] == [
        "mail",
        "north",
    ]
    assert CANARY not in refused.html


def test_a_key_that_is_taken_is_said_beside_the_form(visitor: Visitor) -> None:
    create(visitor, "taken")

    refused = create(visitor, "taken")

    assert 400 <= refused.status < 500
    assert 'role="alert"' in refused.html


def test_the_list_is_narrowed_by_key_and_by_tag(visitor: Visitor) -> None:
    create(visitor, "narrow-one", tag_key="room", tag_value="east")
    create(visitor, "narrow-two", tag_key="room", tag_value="west")

    def narrowed(**typed: str) -> Sequence[str]:
        return keys_of(visitor.get("/secrets").submit("/secrets", **typed))

    assert narrowed(key="narrow-*") == ["narrow-one", "narrow-two"]
    assert narrowed(tag="room=west") == ["narrow-two"]
    assert narrowed(key="narrow-o*", tag="room=east") == ["narrow-one"]


def test_of_filters_that_nothing_fits_the_page_offers_to_clear_them(
    visitor: Visitor,
) -> None:
    page = visitor.get("/secrets?key=nothing-is-called-so")

    assert "Nothing matches" in page.text
    assert "/console/secrets" in page.links


def test_a_long_list_is_shown_page_by_page_in_either_order(own_site: Site) -> None:
    visitor = own_site.signed_in()
    names = [f"many-{number:03}" for number in range(51)]
    for name in names:
        own_site.api.ask(
            "POST",
            "/secrets",
            {"key": name, "value": "v", "tags": [{"key": "env", "value": "test"}]},
        )

    first = visitor.get("/secrets")
    second = visitor.get(f"/secrets{_next(first)}")
    down = visitor.get("/secrets?order=key,desc")
    after_down = visitor.get(f"/secrets{_next(down)}")

    assert keys_of(first) + keys_of(second) == names
    assert keys_of(down) + keys_of(after_down) == names[::-1]


def _next(page: Page) -> str:
    return next(
        had["href"] for _, had in page.markup.elements if had.get("rel") == "next"
    )


def test_a_replaced_value_is_a_new_version(visitor: Visitor, site: Site) -> None:
    made = create(visitor, "replaced", "smtp")
    path = f"/secrets/{made.last_id}/replace"

    replaced = visitor.get(path).submit(
        path, **{**VALUES["smtp"], "password": f"{CANARY}-2"}
    )

    assert replaced.status == 200
    assert "The value was replaced." in replaced.text
    result = site.api.get(f"/secrets/{made.last_id}").result
    assert isinstance(result, dict)
    assert result["version"] == 2
    assert CANARY not in replaced.html


def test_a_value_that_is_refused_does_not_come_back(visitor: Visitor) -> None:
    made = create(visitor, "refused-value", "smtp")
    path = f"/secrets/{made.last_id}/replace"

    refused = visitor.get(path).submit(path, **{**VALUES["smtp"], "smtp_port": "70000"})

    assert refused.status == 400
    assert 'role="alert"' in refused.html
    assert CANARY not in refused.html


def test_tags_are_saved_unless_they_were_changed_meanwhile(
    visitor: Visitor, site: Site
) -> None:
    made = create(visitor, "tagged")
    path = f"/secrets/{made.last_id}"
    page, stale = visitor.get(path), visitor.get(path)

    saved = page.submit(path, tag_key=["env"], tag_value=["other"])
    refused = stale.submit(path, tag_key=["env"], tag_value=["third"])

    assert "Saved." in saved.text
    assert refused.status == 412
    assert "It was changed meanwhile" in refused.text
    assert '"third"' in refused.text
    assert '"other"' in refused.text
    result = site.api.get(path).result
    assert isinstance(result, dict)
    assert result["tags"] == [{"key": "env", "value": "other"}]


def test_a_value_that_was_replaced_meanwhile_is_not_replaced_again(
    visitor: Visitor, site: Site
) -> None:
    made = create(visitor, "replaced-twice")
    path = f"/secrets/{made.last_id}/replace"
    page, stale = visitor.get(path), visitor.get(path)

    page.submit(path, value="the newer one")
    refused = stale.submit(path, value=f"{CANARY} of the older page")

    assert refused.status == 412
    assert CANARY not in refused.html
    result = site.api.get(path.removesuffix("/replace")).result
    assert isinstance(result, dict)
    assert result["version"] == 2


def test_a_secret_is_deleted_once_its_key_was_typed(
    visitor: Visitor, site: Site
) -> None:
    made = create(visitor, "deleted")
    one = f"/secrets/{made.last_id}"
    more = visitor.get(f"{one}/more")

    unsure = more.submit(f"{one}/delete", typed_key="delete")
    kept = site.api.get(one)
    deleted = unsure.submit(f"{one}/delete", typed_key="deleted")

    assert "Type the key" in unsure.text
    assert kept.status == 200
    assert (deleted.path, "Deleted." in deleted.text) == ("/secrets", True)
    assert site.api.get(one).status == 404


def test_the_key_of_a_secret_cannot_be_edited(visitor: Visitor, site: Site) -> None:
    made = create(visitor, "stays")
    one = f"/secrets/{made.last_id}"
    page = visitor.get(one)

    forged = [*page.form(one).pairs, ("key", "other")]
    visitor.post(one, forged)

    assert "key" not in page.form(one).names
    assert site.api.get(one).field("key") == "stays"


def test_a_read_token_sees_no_buttons_and_is_refused(
    visitor: Visitor, signed_in: SignIn, site: Site
) -> None:
    made = create(visitor, "only-read")
    one = f"/secrets/{made.last_id}"
    reader = signed_in("read")

    seen = [reader.get(path) for path in ("/secrets", one, f"{one}/more")]
    token = ("form_token", dict(seen[0].form("/sign-out").pairs)["form_token"])
    refused = [
        reader.post(f"{one}/delete", [token, ("typed_key", "only-read")]),
        reader.post(one, [token, ("tag_key", "env"), ("tag_value", "other")]),
        reader.post(f"{one}/replace", [token, ("value", CANARY)]),
        reader.post(
            "/secrets/new",
            [token, ("key", "k"), ("value", CANARY), ("tag_key", "a")],
        ),
    ]

    assert all(page.status == 200 for page in seen)
    assert "/console/secrets/new" not in seen[0].links
    assert "Save tags" not in seen[1].text
    assert "Delete" not in seen[2].text
    assert [page.status for page in refused] == [401] * 4
    assert all(CANARY not in page.html for page in refused)
    assert site.api.get(one).status == 200


def test_what_is_not_there_is_said_in_a_page(visitor: Visitor) -> None:
    page = visitor.get(f"/secrets/{'0' * 24}")

    assert page.status == 404
    assert "This was not done" in page.text
