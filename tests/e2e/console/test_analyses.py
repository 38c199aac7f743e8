"""Analyses: made, edited, given scripts and run; no page tells a token unasked."""

import json
from collections.abc import Sequence

import pytest

from tests.e2e.console.conftest import SignIn
from tests.e2e.console.site import ROOT, Page, Site, Visitor

TAGGED = {"tag_key": "team", "tag_value": "cold"}


def create(visitor: Visitor, name: str, **typed: str | Sequence[str]) -> Page:
    """Fill in and send the form of a new analysis."""
    form: dict[str, str | Sequence[str]] = {
        "runtime": "python-rt2025",
        "run_on": "tago",
        "begin": "nothing",
        **TAGGED,
        **typed,
    }
    return visitor.get("/analyses/new").submit("/analyses/new", name=name, **form)


def uploaded(visitor: Visitor, id_: str, name: str, content: bytes) -> Page:
    """Choose a file in the tab Script, and send it as a browser does."""
    page = visitor.get(f"/analyses/{id_}/script")
    token = dict(page.form(f"/analyses/{id_}/script").pairs)["form_token"]
    answer = visitor.client.post(
        f"{ROOT}/analyses/{id_}/script",
        data={"form_token": token, "language": "python-rt2025", "upload": "yes"},
        files={"file": (name, content)},
        headers={"Origin": str(visitor.client.base_url).rstrip("/")},
    )
    return Page(visitor=visitor, answer=answer)


def reveals(site: Site) -> int:
    """Count the audit records of tokens that were shown."""
    answer = site.api.get("/audit?kind=change&amount=1000").result
    assert isinstance(answer, dict)
    return sum(each["change"] == "revealed" for each in answer["records"])


def test_an_empty_list_says_what_analyses_are_for_and_offers_one(
    own_site: Site,
) -> None:
    page = own_site.signed_in().get("/analyses")

    assert "No analysis yet" in page.text
    assert page.links.count("/console/analyses/new") == 2


def test_the_form_says_that_values_released_to_external_leave_the_server(
    visitor: Visitor,
) -> None:
    assert "Released values leave this server" in visitor.get("/analyses/new").text


def test_an_analysis_is_made_with_an_example_as_its_first_version(
    visitor: Visitor, site: Site
) -> None:
    made = create(visitor, "with an example", begin="example")

    assert "Created." in made.text
    assert site.api.get(f"/analysis/{made.last_id}").field("version") == "1"
    assert "from tagoio_sdk import" in visitor.get(f"{made.path}/script").text
    listed = visitor.get("/analyses?name=with*").text
    assert "with an example hosted Python active never" in " ".join(listed.split())


def test_a_form_that_is_refused_keeps_what_was_typed(visitor: Visitor) -> None:
    refused = create(visitor, "x" * 101, run_on="external", tag_value="north")

    pairs = refused.form("/analyses/new").pairs
    assert refused.status == 400
    assert 'role="alert"' in refused.html
    assert ("name", "x" * 101) in pairs
    assert ("run_on", "external") in pairs
    assert ("tag_value", "north") in pairs


@pytest.mark.parametrize(
    "tab",
    [
        "",
        "/variables",
        "/secrets",
        "/script",
        "/console",
        "/runs",
        "/examples",
        "/more",
    ],
)
def test_each_tab_is_shown_to_each_level_and_tells_no_whole_token(
    visitor: Visitor, signed_in: SignIn, site: Site, tab: str
) -> None:
    id_ = create(visitor, f"tab {tab}", run_on="external").last_id
    token = site.api.get(f"/analysis/{id_}").field("token")
    before = reveals(site)

    pages = [signed_in(each).get(f"/analyses/{id_}{tab}") for each in ("full", "read")]

    assert [page.status for page in pages] == [200, 200]
    assert all(token not in page.html for page in pages)
    assert reveals(site) == before


def test_the_token_is_shown_behind_a_button_and_that_is_recorded(
    visitor: Visitor, signed_in: SignIn, site: Site
) -> None:
    made = create(visitor, "shows its token", run_on="external")
    token = site.api.get(f"/analysis/{made.last_id}").field("token")
    before = reveals(site)

    shown = made.submit(f"{made.path}/token")

    assert f'data-copy="{token}"' in shown.html
    assert reveals(site) == before + 1
    assert not signed_in("write").get(made.path).has_form(f"{made.path}/token")


def test_what_is_edited_is_saved_and_an_older_state_overwrites_nothing(
    visitor: Visitor, site: Site
) -> None:
    made = create(visitor, "edited")
    first, second = visitor.get(made.path), visitor.get(made.path)

    saved = first.submit(made.path, description="by the first", interval="5 minutes")
    refused = second.submit(made.path, description="by the second")

    assert "Saved." in saved.text
    assert refused.status == 412
    assert "by the second" in refused.html
    kept = site.api.get(f"/analysis/{made.last_id}")
    assert kept.field("description") == "by the first"
    assert kept.field("interval") == "5 minutes"


def test_variables_keep_their_types_and_tell_which_secret_they_override(
    visitor: Visitor, signed_in: SignIn, site: Site
) -> None:
    tags = [{"key": "team", "value": "cold"}]
    secret = {"key": "limit", "value": "never shown 7d", "tags": tags}
    site.api.ask("POST", "/secrets", secret)
    made = create(visitor, "with variables")
    variables = [{"key": "limit", "value": 8}, {"key": "on", "value": True}]
    site.api.ask("PUT", f"/analysis/{made.last_id}", {"variables": variables})
    path = f"{made.path}/variables"

    saved = visitor.get(path).submit(
        path, variable_key=["limit", "on", "two"], variable_value=["9", "true", "a\nb"]
    )

    assert "3 / 20" in saved.text
    assert "overrides secret limit" in saved.text
    assert "not secrets" in saved.text
    assert "never shown 7d" not in saved.html
    kept = site.api.get(f"/analysis/{made.last_id}").result
    assert isinstance(kept, dict)
    assert kept["variables"] == [
        {"key": "limit", "value": 9},
        {"key": "on", "value": True},
        {"key": "two", "value": "a\nb"},
    ]
    masked = signed_in("read").get(path)
    assert "********" in masked.text
    assert "a b" not in masked.text


def test_the_secrets_it_sees_and_those_withheld_stand_with_the_reason(
    visitor: Visitor, site: Site
) -> None:
    for key, team in (("seen-key", "seeing"), ("unseen-key", "other")):
        tags = [{"key": "team", "value": team}]
        site.api.ask("POST", "/secrets", {"key": key, "value": "v", "tags": tags})
    policy = {
        "name": "the seeing see",
        "targets": [["analysis", "tag.key", "team", "tag.value", "seeing"]],
        "permissions": [
            {
                "effect": "allow",
                "action": ["access"],
                "resource": ["secrets", "tag_match", "team"],
            }
        ],
    }
    site.api.ask("POST", "/am", policy)
    made = create(visitor, "sees some", tag_value="seeing")

    text = visitor.get(f"{made.path}/secrets").text

    given, _, withheld = text.partition("Withheld")
    assert "seen-key released policy" in given
    assert "unseen-key withheld no policy lets" in withheld
    assert "the seeing see" in given


def test_a_script_is_uploaded_downloaded_edited_and_its_versions_are_listed(
    visitor: Visitor, site: Site
) -> None:
    made = create(visitor, "with a script")
    content = b"print('<b>first</b>')\n" + b"# filler\n" * 200_000  # beyond 1 MiB
    path = f"{made.path}/script"

    page = uploaded(visitor, made.last_id, "C:\\folder\\main.py", content)
    small = uploaded(visitor, made.last_id, "main.py", b"print('<b>2</b>')\n")
    saved = small.submit(path, text="print(3)\n")

    assert page.status == 200
    assert "<b>2</b>" not in small.html
    assert "print('<b>2</b>')" in small.text
    assert "version 3" in saved.text
    assert visitor.client.get(f"{ROOT}{path}/1").content == content
    kept = visitor.client.get(f"{ROOT}{path}/3")
    assert kept.content == b"print(3)\n"
    assert "attachment" in kept.headers["Content-Disposition"]


def test_an_upload_without_a_file_is_refused_with_a_sentence(visitor: Visitor) -> None:
    made = create(visitor, "without a file")

    refused = uploaded(visitor, made.last_id, "", b"")

    assert refused.status == 400
    assert "choose one" in refused.text


def test_a_file_that_no_form_of_the_session_sent_is_refused(visitor: Visitor) -> None:
    made = create(visitor, "without a form token")

    answer = visitor.client.post(
        f"{ROOT}{made.path}/script",
        data={"form_token": "no", "language": "python-rt2025"},
        files={"file": ("main.py", b"print(1)")},
        headers={"Origin": str(visitor.client.base_url).rstrip("/")},
    )

    assert answer.status_code == 401


def test_a_console_is_shown_escaped_downloaded_and_cleared(
    visitor: Visitor, site: Site
) -> None:
    made = create(visitor, "with a console", run_on="external")
    token = site.api.get(f"/analysis/{made.last_id}").field("token")
    for line in ("first <script>", "second"):
        script = site.api.with_token(token)
        script.ask("POST", "/analysis/services/console/send", {"message": line})
    path = f"{made.path}/console"

    page = visitor.get(path)
    kept = visitor.client.get(f"{ROOT}{path}/download").text
    cleared = page.submit(f"{path}/clear")

    assert "first <script> second" in page.text
    assert "<script>" not in page.html.partition("<main")[2]
    assert kept == "first <script>\nsecond\n"
    assert "second" not in cleared.text
    assert "The console was cleared with the token" in cleared.text


def test_a_run_is_asked_for_with_a_scope_and_listed(
    visitor: Visitor, site: Site
) -> None:
    made = create(visitor, "run now", run_on="external")
    path, scope = f"{made.path}/runs", json.dumps([{"variable": "t", "value": 9.5}])

    refused = visitor.get(path).submit(path, scope="[not JSON")
    asked = visitor.get(path).submit(path, scope=scope)

    assert refused.status == 400
    assert "[not JSON" in refused.html
    assert "waiting" in asked.text
    assert site.api.get(f"/analysis/{made.last_id}").field("last_state") == "waiting"


def test_an_analysis_is_deleted_once_its_name_is_typed(visitor: Visitor) -> None:
    made = create(visitor, "to be deleted")
    more = visitor.get(f"{made.path}/more")

    unsure = more.submit(f"{made.path}/delete", typed_name="another")
    deleted = more.submit(f"{made.path}/delete", typed_name="to be deleted")

    assert "Delete to be deleted" in unsure.text
    assert "Type the name" in unsure.text
    assert "Deleted." in deleted.text
    assert visitor.get(made.path).status == 400


def test_a_token_that_may_read_is_offered_no_change(
    visitor: Visitor, signed_in: SignIn
) -> None:
    made = create(visitor, "only read")
    reader = signed_in("read")

    pages = [
        reader.get(f"{made.path}{tab}")
        for tab in ("", "/variables", "/script", "/console", "/runs", "/more")
    ]

    posting = [f.action for p in pages for f in p.markup.forms if f.method == "post"]
    assert {*posting} <= {"/console/theme", "/console/sign-out", "/console/operator"}
    assert "Add Analysis" not in reader.get("/analyses").text
