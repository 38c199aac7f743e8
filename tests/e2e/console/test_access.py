"""Access: policies in words, written as rows or as JSON, explained, deleted."""

import json
from collections.abc import Mapping, Sequence

import pytest

from tests.e2e.console.conftest import SignIn
from tests.e2e.console.site import Page, Site, Visitor

MAIL = {
    "smtp_server": "mail.example.com",
    "smtp_port": 587,
    "username": "relay@example.com",
    "password": "the-password",
}
UNKNOWN = "0" * 24


def tagged(kind: str, key: str, value: str) -> list[str]:
    return [kind, "tag.key", key, "tag.value", value]


def allow(resource: Sequence[str]) -> Mapping[str, object]:
    return {"effect": "allow", "action": ["access"], "resource": resource}


def policy(site: Site, name: str, **changes: object) -> str:
    """Store a policy by the API, and return its id."""
    document = {
        "name": name,
        "targets": [tagged("action", "role", name)],
        "permissions": [allow(tagged("secrets", "use", name))],
        **changes,
    }
    return str(site.api.ask("POST", "/am", document).field("am_id"))


def pair(site: Site, name: str) -> tuple[str, str]:
    """Make a secret and the action that names it, tagged with the name."""
    tags = [{"key": "use", "value": name}]
    secret = {"key": f"key-{name}", "value": MAIL, "tags": tags}
    id_ = str(site.api.ask("POST", "/secrets", secret).field("id"))
    mail = {"from": "a@example.com", "to": "b@example.com", "subject": "s"}
    action = {
        "name": f"action-{name}",
        "tags": [{"key": "role", "value": name}],
        "action": {
            "type": "email-smtp",
            "message": "m",
            "smtp_secret": id_,
            **mail,
        },
    }
    return str(site.api.ask("POST", "/action", action).field("action")), id_


def of_row(row: str, kind: str, how: str, **fields: str) -> dict[str, str]:
    """Return what is typed into the fields of one row."""
    typed = {"kind": kind, "how": how, **fields}
    return {f"{row}-{name}": text for name, text in typed.items()}


def stored(site: Site, id_: str) -> Mapping[str, object]:
    found = site.api.get(f"/am/{id_}").result
    assert isinstance(found, dict)
    return found


def save(page: Page, path: str, **typed: str | Sequence[str]) -> Page:
    return page.submit(path, do="save", **typed)


def test_an_empty_list_says_what_policies_are_for_and_offers_one(
    own_site: Site,
) -> None:
    page = own_site.signed_in().get("/access")

    assert "No policy yet" in page.text
    assert page.links.count("/console/access/new") == 2


def test_the_list_tells_policies_in_words_and_marks_what_is_wide(
    site: Site, visitor: Visitor
) -> None:
    policy(site, "worded")
    narrow = visitor.get("/access?name=worded")
    policy(site, "far", targets=[["analysis"]])

    wide = visitor.get("/access?name=far")

    assert "actions tagged role=worded" in narrow.text
    assert "Allow secrets tagged use=worded: access" in narrow.text
    assert "Wide" not in narrow.text
    assert "any analysis" in wide.text
    assert "Wide" in wide.text


def test_what_goes_by_id_is_listed_by_name(site: Site, visitor: Visitor) -> None:
    action, secret = pair(site, "by-name")
    targets = [["action", "id", action]]
    policy(site, "ids", targets=targets, permissions=[allow(["secrets", "id", secret])])

    page = visitor.get("/access?name=ids")

    assert "the action action-by-name" in page.text
    assert "the secret key-by-name: access" in page.text


def test_the_list_is_narrowed_by_name_tag_and_whether_active(
    site: Site, visitor: Visitor
) -> None:
    policy(site, "sieve-on", tags=[{"key": "team", "value": "north"}])
    policy(site, "sieve-off", active=False)

    def shown(**typed: str) -> tuple[bool, bool]:
        text = visitor.get("/access").submit("/access", **typed).text
        return "sieve-on" in text, "sieve-off" in text

    assert shown(name="sieve-*") == (True, True)
    assert shown(tag="team=north") == (True, False)
    assert shown(active="false") == (False, True)


def test_a_policy_is_switched_off_from_the_list(site: Site, visitor: Visitor) -> None:
    id_ = policy(site, "switched")

    page = visitor.get("/access?name=switched").submit(f"/access/{id_}/switch")

    assert page.status == 200
    assert stored(site, id_)["active"] is False


def test_a_policy_is_made_of_rows(site: Site, visitor: Visitor) -> None:
    action, _ = pair(site, "rows")
    page = visitor.get("/access/new").submit("/access/new", do="add-target")
    typed = {
        "name": "of rows",
        **of_row("target-0", "action", "tag", key="role", value="rows"),
        **of_row("target-1", "action", "id", thing=f"action-rows · {action}"),
        **of_row("permission-0", "secrets", "tag_match", key="site"),
    }
    verbs = ["secrets.access", "secrets.edit", "action.trigger"]

    made = save(page, "/access/new", **{**typed, "permission-0-verb": verbs})

    assert "Created." in made.text
    document = stored(site, made.last_id)
    assert document["targets"] == [
        tagged("action", "role", "rows"),
        ["action", "id", action],
    ]
    assert document["permissions"] == [
        {
            "effect": "allow",
            "action": ["access", "edit"],
            "resource": ["secrets", "tag_match", "site"],
        }
    ]


def test_a_thing_is_found_by_its_name_alone(site: Site, visitor: Visitor) -> None:
    _, secret = pair(site, "alone")
    typed = {
        "name": "by name",
        **of_row("target-0", "analysis", "any"),
        **of_row("permission-0", "secrets", "id", thing="key-alone"),
    }

    made = save(visitor.get("/access/new"), "/access/new", **typed)

    assert stored(site, made.last_id)["permissions"] == [
        allow(["secrets", "id", secret])
    ]


def test_a_row_is_added_and_removed_and_what_was_typed_stays(visitor: Visitor) -> None:
    typed = {
        "name": "kept name",
        **of_row("target-0", "analysis", "tag", key="role", value="kept-value"),
    }

    longer = visitor.get("/access/new").submit(
        "/access/new", do="add-permission", **typed
    )
    shorter = longer.submit("/access/new", do="drop-permission-0")

    form = longer.form("/access/new")
    assert {"permission-0-kind", "permission-1-kind"} <= form.names
    assert ("name", "kept name") in form.pairs
    assert ("target-0-value", "kept-value") in form.pairs
    assert "permission-1-kind" not in shorter.form("/access/new").names


def test_a_form_that_is_refused_keeps_what_was_typed_and_counts_rows_from_one(
    visitor: Visitor,
) -> None:
    typed = {
        "name": "kept name",
        **of_row("target-0", "analysis", "id", thing="nothing of this name"),
    }

    refused = save(visitor.get("/access/new"), "/access/new", **typed)

    assert refused.status == 400
    assert 'role="alert"' in refused.html
    assert "target 1" in refused.text
    form = refused.form("/access/new")
    assert ("name", "kept name") in form.pairs
    assert ("target-0-thing", "nothing of this name") in form.pairs


def test_a_check_names_what_is_covered_and_stores_nothing(
    site: Site, visitor: Visitor
) -> None:
    pair(site, "checked")
    typed = {
        "name": "only checked",
        **of_row("target-0", "action", "tag", key="role", value="checked"),
        **of_row("permission-0", "secrets", "tag", key="use", value="checked"),
    }

    page = visitor.get("/access/new").submit("/access/new", do="check", **typed)

    assert "1 target action-checked" in page.text
    assert "1 secret released key-checked" in page.text
    assert "only checked" not in visitor.get("/access?name=only*").text


def test_what_a_script_asks_for_is_the_same_part_of_the_page(
    site: Site, visitor: Visitor
) -> None:
    pair(site, "part")
    id_ = policy(site, "part")
    form = visitor.get(f"/access/{id_}").form(f"/access/{id_}")

    part = visitor.post("/access/check", form.pairs)

    assert "<html" not in part.html
    assert "key-part" in part.text


def test_a_deny_elsewhere_and_a_wide_row_are_warned_of(
    site: Site, visitor: Visitor
) -> None:
    pair(site, "shaded")
    deny = {**allow(tagged("secrets", "use", "shaded")), "effect": "deny"}
    policy(site, "shade", targets=[["action"]], permissions=[deny])
    id_ = policy(site, "shaded", permissions=[allow(["secrets"])])

    page = visitor.get(f"/access/{id_}")

    assert "It is wide" in page.text
    assert 'Policy "shade"' in page.text
    assert "forbids that action action-shaded" in page.text


def test_a_policy_is_edited_as_json(site: Site, visitor: Visitor) -> None:
    id_ = policy(site, "as-text")
    page = visitor.get(f"/access/{id_}?as=json")
    document = json.loads(dict(page.form(f"/access/{id_}").pairs)["document"])

    told = json.dumps({**document, "name": "as-text-2"})
    saved = save(page, f"/access/{id_}", document=told)

    assert "Saved." in saved.text
    assert stored(site, id_)["name"] == "as-text-2"


def test_json_that_cannot_be_read_is_kept_as_typed(
    site: Site, visitor: Visitor
) -> None:
    id_ = policy(site, "torn")

    refused = save(
        visitor.get(f"/access/{id_}?as=json"), f"/access/{id_}", document='{"name": '
    )

    assert refused.status == 400
    assert "no JSON" in refused.text
    assert ("document", '{"name": ') in refused.form(f"/access/{id_}").pairs


def test_between_rows_and_json_nothing_typed_is_lost(visitor: Visitor) -> None:
    typed = {
        "name": "to and fro",
        **of_row("target-0", "analysis", "tag", key="role", value="fro"),
    }

    text = visitor.get("/access/new").submit("/access/new", do="as-json", **typed)
    rows = text.submit("/access/new", do="as-rows")

    assert "document" in text.form("/access/new").names
    assert ("name", "to and fro") in rows.form("/access/new").pairs
    assert ("target-0-value", "fro") in rows.form("/access/new").pairs


@pytest.mark.parametrize(
    "changes",
    [
        {"permissions": [allow(["device", "id", UNKNOWN])]},
        {"targets": [["run_user", "tag_match", "team"]]},
    ],
    ids=["a resource", "a target"],
)
def test_what_rows_cannot_show_is_edited_as_json_and_saved_whole(
    site: Site, visitor: Visitor, changes: Mapping[str, object]
) -> None:
    id_ = policy(site, f"elsewhere-{'-'.join(changes)}", **changes)
    before = stored(site, id_)

    page = visitor.get(f"/access/{id_}")
    saved = save(page, f"/access/{id_}")

    assert "document" in page.form(f"/access/{id_}").names
    assert "Saved." in saved.text
    after = stored(site, id_)
    assert {**after, "updated_at": None} == {**before, "updated_at": None}


def test_two_administrators_see_both_versions_and_overwrite_nothing_unawares(
    site: Site, visitor: Visitor
) -> None:
    id_ = policy(site, "both")
    mine = visitor.get(f"/access/{id_}")
    site.api.ask("PUT", f"/am/{id_}", {"name": "theirs-now"})

    refused = save(mine, f"/access/{id_}", name="mine-now")
    kept = stored(site, id_)["name"]
    saved = save(refused, f"/access/{id_}")

    assert refused.status == 412
    assert "theirs-now" in refused.text
    assert ("name", "mine-now") in refused.form(f"/access/{id_}").pairs
    assert kept == "theirs-now"
    assert "Saved." in saved.text
    assert stored(site, id_)["name"] == "mine-now"


def test_a_denial_is_explained_and_leads_to_the_policy_that_is_missing(
    site: Site, visitor: Visitor
) -> None:
    action, secret = pair(site, "missing")
    address = f"/access/explain?action={action}&secret={secret}"
    another = [tagged("action", "role", "another")]
    released = [allow(tagged("secrets", "use", "missing"))]
    near = policy(site, "near", targets=another, permissions=released)

    denied = visitor.get(address)
    link = f"/console/access/new?action={action}&secret={secret}"
    made = save(
        visitor.get(link.removeprefix("/console")), "/access/new", name="was missing"
    )
    allowed = visitor.get(address)

    assert "Denied" in denied.text
    assert "but action action-missing has role=missing" in denied.text
    assert f"/console/access/{near}" in denied.links
    assert link in denied.links
    assert stored(site, made.last_id)["targets"] == [
        tagged("action", "role", "missing")
    ]
    assert "Allowed" in allowed.text
    assert "Policies that match both" in allowed.text
    assert f"/console/access/{made.last_id}" in allowed.links


def test_explain_is_asked_by_names(site: Site, visitor: Visitor) -> None:
    pair(site, "asked")

    page = visitor.get("/access/explain").submit(
        "/access/explain", target="action-asked", secret="key-asked"
    )

    assert "Denied" in page.text


def test_deleting_names_what_loses_access_and_asks_for_the_name(
    site: Site, visitor: Visitor
) -> None:
    pair(site, "lost")
    id_ = policy(site, "lost")
    page = visitor.get(f"/access/{id_}/more")

    unsure = page.submit(f"/access/{id_}/delete", typed_name="another")
    deleted = unsure.submit(f"/access/{id_}/delete", typed_name="lost")

    assert "action-lost loses key-lost" in page.text
    assert unsure.status == 400
    assert "Deleted." in deleted.text
    assert site.api.get(f"/am/{id_}").status == 404


@pytest.mark.parametrize("level", ["write", "read"])
def test_who_may_not_write_policies_reads_them(
    site: Site, signed_in: SignIn, level: str
) -> None:
    id_ = policy(site, f"seen-by-{level}")
    visitor = signed_in(level)

    listed = visitor.get(f"/access?name=seen-by-{level}")
    shown = visitor.get(f"/access/{id_}")
    refused = save(shown, f"/access/{id_}", name="changed")

    assert "/console/access/new" not in listed.links
    assert not listed.has_form(f"/access/{id_}/switch")
    assert 'value="save">Save' not in shown.html
    assert not visitor.get(f"/access/{id_}/more").has_form(f"/access/{id_}/delete")
    assert refused.status == 401
    assert stored(site, id_)["name"] == f"seen-by-{level}"
