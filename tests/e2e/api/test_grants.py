"""Grants: what an analysis is answered is what policies allow it, and no more."""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.types import ASGIApp

from keyrelay.api.route import Answer as Answered
from keyrelay.api.route import Asked, Route
from keyrelay.api.routes import ROUTES
from keyrelay.app.runs import run_records, run_tokens
from keyrelay.app.settings_loading import load_settings
from keyrelay.app.store import open_store
from keyrelay.model.analysis import RunOn
from keyrelay.model.run import RunCause, RunOrder, RunOrigin
from keyrelay.services.naming import find_profile
from keyrelay.services.run_chains import LONGEST
from tests.e2e.api.conftest import Founded
from tests.e2e.api.furnished import SCRIPT, UNKNOWN, action_for, body_of, noun_of
from tests.e2e.api.in_process import answering_here
from tests.installed.api import Answer, Api, answering, token_of
from tests.installed.home import Home
from tests.services import deadline

WITHIN = timedelta(seconds=20)
DENIED = {"status": False, "message": "Authorization Denied"}
NORTH = [{"key": "site", "value": "north"}]
SOUTH = [{"key": "site", "value": "south"}]
SITES = {"secrets": "key", "action": "name", "analysis": "name"}
MASK = "********"

Document = Mapping[str, object]
Tags = Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Granting:
    """`full` may do everything; `script` has the token of `analysis`, of the north."""

    home: Home
    full: Api
    script: Api
    analysis: str

    def allow(self, *verbs: str, of: Sequence[str], effect: str = "allow") -> str:
        """Let the analysis do that to these resources, and return the policy's id."""
        policy = {
            "name": f"{effect} {verbs} of {of}",
            "targets": [["analysis", "tag_match", "site"]],
            "permissions": [{"effect": effect, "action": verbs, "resource": of}],
        }
        return self.full.ask("POST", "/am", policy).field("am_id")

    def secret(self, key: str, tags: Tags = NORTH) -> str:
        body = {"key": key, "value": "a text", "tags": tags}
        return self.full.ask("POST", "/secrets", body).field("id")

    def one(self, noun: str, name: str, tags: Tags = NORTH) -> str:
        """Make one of a noun, and return its id."""
        if noun == "secrets":
            return self.secret(name, tags)
        if noun == "analysis":
            body: Document = {"name": name, "tags": tags}
            return self.full.ask("POST", "/analysis", body).field("id")
        mail = {"smtp_server": "a.example", "smtp_port": 587, "username": "a"}
        value = {**mail, "password": "p"}
        made = {"key": f"of-{name}", "value": value, "tags": SOUTH}
        secret = self.full.ask("POST", "/secrets", made).field("id")
        body = {**action_for(secret), "name": name, "tags": tags}
        return self.full.ask("POST", "/action", body).field("action")

    def names(self, noun: str, query: str = "amount=100") -> list[str]:
        """Return the names in a list as the analysis is shown it."""
        return [str(row[SITES[noun]]) for row in rows(self.script, f"/{noun}?{query}")]


@pytest.fixture
def granting(founded: Founded, tmp_path: Path) -> Iterator[Granting]:
    own = founded.copied(tmp_path / "founded")
    with answering(own.home) as api:
        full = api.with_token(own.token)
        body = {"name": "script", "run_on": "external", "tags": NORTH}
        made = full.ask("POST", "/analysis", body)
        yield Granting(
            home=own.home,
            full=full,
            script=api.with_token(made.field("token")),
            analysis=made.field("id"),
        )


def rows(api: Api, path: str) -> list[dict[str, object]]:
    answer = api.get(path)
    assert isinstance(answer.result, list), answer
    return answer.result


def is_denied(answer: Answer) -> bool:
    return (answer.status, answer.document) == (401, DENIED)


@pytest.mark.parametrize("noun", SITES)
def test_a_list_without_a_policy_is_empty(granting: Granting, noun: str) -> None:
    id_ = granting.one(noun, "a")

    assert granting.names(noun) == []
    assert is_denied(granting.script.get(f"/{noun}/{id_}"))


@pytest.mark.parametrize("noun", SITES)
def test_a_list_holds_what_policies_allow_on_full_pages(
    granting: Granting, noun: str
) -> None:
    for n in range(7):
        granting.one(noun, f"n{n}")
        granting.one(noun, f"s{n}", SOUTH)
    out = granting.one(noun, "n9")
    granting.allow("access", of=[noun, "tag_match", "site"])
    granting.allow("access", of=[noun, "id", out], effect="deny")

    pages = [granting.names(noun, f"page={n}&amount=3") for n in (1, 2, 3, 4)]

    ours = [f"n{n}" for n in range(7)]
    if noun == "analysis":
        ours.append("script")
    assert pages == [ours[:3], ours[3:6], ours[6:], []]
    name = SITES[noun]
    assert granting.names(noun, f"filter[{name}]=s*") == ours[7:]
    assert granting.names(noun, f"filter[{name}]=n*&amount=2") == ["n0", "n1"]
    assert granting.names(noun, f"filter[id]={out}") == []


def test_a_list_by_when_actions_were_triggered_holds_what_is_allowed(
    granting: Granting,
) -> None:
    granting.one("action", "n")
    granting.one("action", "s", SOUTH)
    granting.allow("access", of=["action", "tag_match", "site"])

    assert granting.names("action", "orderBy=last_triggered,desc") == ["n"]


def test_what_is_allowed_as_a_whole_is_listed_less_what_is_denied(
    granting: Granting,
) -> None:
    for key, tags in (("a", NORTH), ("b", SOUTH), ("c", NORTH)):
        granting.secret(key, tags)
    granting.allow("access", of=["secrets"])
    assert granting.names("secrets") == ["a", "b", "c"]

    denied = ["secrets", "tag.key", "site", "tag.value", "south"]
    granting.allow("access", of=denied, effect="deny")

    assert granting.names("secrets") == ["a", "c"]


def test_the_very_next_call_sees_a_policy_that_was_removed(granting: Granting) -> None:
    id_ = granting.secret("a")
    for _ in range(5):
        policy = granting.allow("access", of=["secrets"])
        assert granting.script.get(f"/secrets/{id_}").status == 200
        assert granting.names("secrets") == ["a"]

        granting.full.ask("DELETE", f"/am/{policy}")

        assert is_denied(granting.script.get(f"/secrets/{id_}"))
        assert granting.names("secrets") == []


def test_another_process_sees_a_tag_that_was_changed(
    granting: Granting,
) -> None:
    id_ = granting.secret("a")
    granting.allow("access", of=["secrets", "tag_match", "site"])
    with answering(granting.home) as other:
        elsewhere = other.with_token(granting.script.token)
        assert elsewhere.get(f"/secrets/{id_}").status == 200

        granting.full.ask("PUT", f"/secrets/{id_}", {"tags": SOUTH})
        assert is_denied(elsewhere.get(f"/secrets/{id_}"))
        moved = {"tags": SOUTH}
        granting.full.ask("PUT", f"/analysis/{granting.analysis}", moved)
        assert elsewhere.get(f"/secrets/{id_}").status == 200


def test_the_own_token_of_a_run_may_do_what_policies_allow_its_analysis(
    granting: Granting,
) -> None:
    id_ = granting.secret("a")
    granting.allow("access", of=["secrets", "tag_match", "site"])
    path = f"/analysis/{granting.analysis}"
    granting.full.ask("POST", f"{path}/upload", SCRIPT)
    run = granting.full.ask("POST", f"{path}/run", {}).field("analysis_token")
    assert run != granting.script.token
    of_run = replace(granting, script=granting.full.with_token(run))

    assert of_run.names("secrets") == ["a"]
    assert of_run.script.get(f"/secrets/{id_}").status == 200
    assert is_denied(of_run.script.ask("DELETE", f"/secrets/{id_}"))
    assert is_denied(of_run.script.get("/tokens"))


def test_a_value_is_shown_to_no_analysis_whatever_policies_allow(
    granting: Granting,
) -> None:
    id_ = granting.secret("a")
    granting.allow("access", "create", "edit", "delete", of=["secrets"])

    shown = granting.script.get(f"/secrets/{id_}")

    assert shown.status == 200
    assert "a text" not in str(shown.document)


def test_to_create_a_secret_its_tags_must_be_allowed(granting: Granting) -> None:
    new = {"key": "new", "value": "a text", "tags": NORTH}
    assert is_denied(granting.script.ask("POST", "/secrets", new))
    granting.allow("create", of=["secrets", "tag_match", "site"])

    elsewhere = granting.script.ask("POST", "/secrets", {**new, "tags": SOUTH})
    untagged = granting.script.ask("POST", "/secrets", {**new, "tags": []})
    made = granting.script.ask("POST", "/secrets", new)

    assert is_denied(elsewhere)
    assert is_denied(untagged)
    assert made.status == 200
    # To create it is not to see it.
    assert is_denied(granting.script.get(f"/secrets/{made.field('id')}"))


def test_an_edit_must_be_allowed_before_it_and_after_it(granting: Granting) -> None:
    ours, theirs = granting.secret("a"), granting.secret("b", SOUTH)
    granting.allow("edit", of=["secrets", "tag_match", "site"])

    def edited(id_: str, changes: Document) -> Answer:
        return granting.script.ask("PUT", f"/secrets/{id_}", changes)

    assert edited(ours, {"value": "another"}).status == 200
    assert edited(ours, {"tags": [*NORTH, {"key": "a", "value": "b"}]}).status == 200
    assert is_denied(edited(ours, {"tags": SOUTH}))
    assert is_denied(edited(ours, {"tags": []}))
    assert is_denied(edited(theirs, {"value": "another"}))
    assert is_denied(edited(theirs, {"tags": NORTH}))
    assert edited(ours, {}).status == 400
    assert is_denied(edited(theirs, {}))
    tags = granting.full.get(f"/secrets/{ours}").result
    assert isinstance(tags, dict)
    assert tags["tags"] == [*NORTH, {"key": "a", "value": "b"}]


def test_a_delete_must_be_allowed(granting: Granting) -> None:
    ours, theirs = granting.secret("a"), granting.secret("b", SOUTH)
    granting.allow("access", "edit", of=["secrets"])
    assert is_denied(granting.script.ask("DELETE", f"/secrets/{ours}"))
    granting.allow("delete", of=["secrets", "tag_match", "site"])

    assert is_denied(granting.script.ask("DELETE", f"/secrets/{theirs}"))
    assert granting.script.ask("DELETE", f"/secrets/{ours}").status == 200
    assert is_denied(granting.script.ask("DELETE", f"/secrets/{ours}"))


def test_an_edit_of_another_state_than_the_one_expected_is_refused(
    granting: Granting,
) -> None:
    id_ = granting.secret("a")
    granting.allow("access", "edit", "delete", of=["secrets"])
    path = f"/secrets/{id_}"
    shown = {"if-match": granting.script.get(path).headers["etag"]}

    edited = granting.script.ask("PUT", path, {"value": "b"}, shown)
    again = granting.script.ask("PUT", path, {"value": "c"}, shown)
    deleted = granting.script.ask("DELETE", path, None, shown)
    any_ = granting.script.ask("DELETE", path, None, {"if-match": "*"})

    assert [each.status for each in (edited, again, deleted, any_)] == [
        200,
        412,
        412,
        200,
    ]


def test_the_values_of_variables_are_shown_to_what_may_edit_them(
    granting: Granting,
) -> None:
    variables = [{"key": "limit", "value": 8}]
    body = {"name": "other", "tags": NORTH, "variables": variables}
    id_ = granting.full.ask("POST", "/analysis", body).field("id")
    granting.allow("access", of=["analysis"])

    def shown() -> Sequence[object]:
        info = granting.script.get(f"/analysis/{id_}").result
        (row,) = rows(granting.script, "/analysis?filter[name]=other&fields=variables")
        assert isinstance(info, dict)
        assert not str(info["token"]).startswith(str(granting.script.token))
        return info["variables"], row["variables"]

    masked = [{"key": "limit", "value": MASK}]
    assert shown() == (masked, masked)
    granting.allow("edit", of=["analysis", "tag_match", "site"])
    assert shown() == (variables, variables)


def test_scripts_go_in_and_out_where_the_analysis_may_be_edited(
    granting: Granting,
) -> None:
    id_ = granting.one("analysis", "other")
    granting.allow("access", "create", "delete", of=["analysis"])
    upload, download = f"/analysis/{id_}/upload", f"/analysis/{id_}/download"
    assert is_denied(granting.script.ask("POST", upload, SCRIPT))
    assert is_denied(granting.script.get(download))
    granting.allow("edit", of=["analysis", "tag_match", "site"])

    assert granting.script.ask("POST", upload, SCRIPT).status == 200
    assert granting.script.get(download).status == 200
    assert is_denied(granting.script.get(f"/analysis/{id_}/token"))


def test_an_analysis_does_not_give_itself_the_tags_of_others(
    granting: Granting,
) -> None:
    granting.allow("edit", of=["analysis", "tag_match", "site"])
    path = f"/analysis/{granting.analysis}"

    assert granting.script.ask("PUT", path, {"active": True}).status == 200
    assert is_denied(granting.script.ask("PUT", path, {"tags": SOUTH}))


def test_the_token_of_a_new_analysis_is_not_shown_to_the_one_that_made_it(
    granting: Granting,
) -> None:
    granting.allow("create", of=["analysis"])

    made = granting.script.ask("POST", "/analysis", {"name": "new"})

    assert len(made.field("token")) == len("a-12345678")


def test_tag_keys_are_those_of_what_may_be_accessed(granting: Granting) -> None:
    granting.secret("a", [*NORTH, {"key": "ours", "value": "x"}])
    granting.secret("b", [*SOUTH, {"key": "theirs", "value": "x"}])
    path = "/tags/keys/secrets"
    assert granting.script.get(path).result == []
    granting.allow("access", of=["secrets", "tag_match", "site"])

    assert granting.script.get(path).result == ["ours", "site"]
    for kind in ("am", "nothing"):
        assert is_denied(granting.script.get(f"/tags/keys/{kind}"))


def test_what_no_policy_can_name_is_denied(granting: Granting) -> None:
    kinds = ("secrets", "analysis")
    for kind in kinds:
        granting.allow("access", "create", "edit", "delete", of=[kind])
    granting.allow("access", "trigger", of=["action"])
    id_ = granting.one("action", "a")

    asked = [
        granting.script.get("/am"),
        granting.script.get("/tokens"),
        granting.script.get("/audit"),
        granting.script.ask("POST", "/action", {"name": "new"}),
        granting.script.ask("PUT", f"/action/{id_}", {"active": False}),
        granting.script.ask("DELETE", f"/action/{id_}"),
        granting.script.ask("POST", f"/action/{id_}/preview"),
        granting.script.get("/triggers"),
        granting.script.get("/attempts"),
        granting.script.get("/dead-letters"),
    ]

    assert [*map(is_denied, asked)] == [True] * len(asked)
    assert granting.script.get(f"/action/{id_}").status == 200


def test_an_id_that_is_unknown_is_told_like_one_that_is_denied(
    granting: Granting,
) -> None:
    id_ = granting.secret("a", SOUTH)
    granting.allow("access", "edit", "delete", of=["secrets", "tag_match", "site"])
    granting.home.run("init", "--profile", "other", "--no-token")
    other = granting.home.under({"KEYRELAY_PROFILE": "other"})
    theirs = replace(granting, full=granting.full.with_token(token_of(other, "full")))
    foreign = theirs.secret("a")
    theirs.allow("access", "edit", "delete", of=["secrets"])

    for method, body in (("GET", None), ("PUT", {"value": "b"}), ("DELETE", None)):
        for each in (id_, foreign, UNKNOWN, "nothing"):
            assert is_denied(granting.script.ask(method, f"/secrets/{each}", body))


CHANGING = [
    each
    for each in ROUTES
    if each.governed and each.governed.verb in {"edit", "delete"}
    if each.method != "GET"
]


@pytest.mark.parametrize(
    "route", CHANGING, ids=[f"{each.method} {each.path}" for each in CHANGING]
)
async def test_what_is_moved_after_the_decision_is_not_changed(
    granting: Granting, route: Route
) -> None:
    noun = noun_of(route)
    id_ = granting.one(noun, "a")
    granting.allow("edit", "delete", of=[noun, "tag_match", "site"])

    async def after_another(asked: Asked) -> Answered | ASGIApp:
        definitions, profile = asked.process.store.definitions, asked.caller.profile
        moved = {"tags": SOUTH}
        if noun == "secrets":
            await definitions.secrets.edit(profile, id_, moved, "other")
        else:
            await definitions.analyses.documents.edit(profile, id_, moved, "other")
        return await route.answer(asked)

    path, token = route.path.replace("{id}", id_), str(granting.script.token)
    body = body_of(route, {"secrets": UNKNOWN, "action": UNKNOWN})
    content = None if body is None else json.dumps(body)
    routes = [replace(route, answer=after_another)]
    async with answering_here(granting.home, routes) as client:
        answer = await client.request(
            route.method, path, content=content, headers={"token": token}
        )

    assert answer.status_code == 412
    left = granting.full.get(f"/{noun}/{id_}").result
    assert isinstance(left, dict)
    assert left["tags"] == SOUTH
    # That of a secret counts each edit, that of an analysis each script.
    assert left.get("version") == (2 if noun == "secrets" else None)


def one(action: str, id_: str | None = None) -> Document:
    named = {} if id_ is None else {"id": id_}
    return {"action": action, "data": {"value": 7}, **named}


def test_a_script_triggers_the_actions_that_policies_let_it_trigger(
    granting: Granting,
) -> None:
    ours, theirs = granting.one("action", "n"), granting.one("action", "s", SOUTH)
    granting.allow("trigger", of=["action", "tag_match", "site"])
    granting.allow("access", of=["action"])

    made = granting.script.ask("POST", "/triggers", one(ours, "t1"))
    denied = granting.script.ask("POST", "/triggers", one(theirs, "t2"))
    mixed = granting.script.ask("POST", "/triggers", [one(theirs), one(ours, "t3")])

    assert made.status == 202
    assert is_denied(denied)
    assert mixed.status == 207
    refused = "its action is none of those that you may publish to"
    assert mixed.result == [
        {"id": None, "state": "refused", "reason": refused},
        {"id": "t3", "state": "accepted"},
    ]
    assert granting.full.get("/triggers/t1").field("action") == ours
    assert granting.full.get("/triggers/t2").status == 404


def test_to_access_an_action_is_not_to_trigger_it(granting: Granting) -> None:
    id_ = granting.one("action", "n")
    granting.allow("access", of=["action"])

    assert is_denied(granting.script.ask("POST", "/triggers", one(id_)))
    granting.allow("trigger", of=["action"])
    assert granting.script.ask("POST", "/triggers", one(id_)).status == 202
    granting.allow("trigger", of=["action", "id", id_], effect="deny")
    assert is_denied(granting.script.ask("POST", "/triggers", one(id_)))


def test_triggers_of_actions_unknown_foreign_and_forbidden_are_denied_alike(
    granting: Granting,
) -> None:
    ours, forbidden = granting.one("action", "n"), granting.one("action", "s", SOUTH)
    granting.home.run("init", "--profile", "other", "--no-token")
    other = granting.home.under({"KEYRELAY_PROFILE": "other"})
    theirs = replace(granting, full=granting.full.with_token(token_of(other, "full")))
    foreign = theirs.one("action", "n")
    theirs.allow("trigger", of=["action"])
    granting.allow("trigger", of=["action", "tag_match", "site"])

    for each in (forbidden, foreign, UNKNOWN):
        assert is_denied(granting.script.ask("POST", "/triggers", one(each)))
        assert is_denied(granting.script.ask("POST", "/triggers", [one(each)] * 2))
        listed = granting.script.ask("POST", "/triggers", [one(each), one(ours)])
        assert (listed.status, str(listed.result).count("refused")) == (207, 1)


def test_a_script_follows_what_it_published_while_it_may_trigger_that(
    granting: Granting,
) -> None:
    id_ = granting.one("action", "n")
    policy = granting.allow("trigger", of=["action"])
    granting.script.ask("POST", "/triggers", one(id_, "own"))
    granting.full.ask("POST", "/triggers", one(id_, "other"))

    shown = granting.script.get("/triggers/own")

    assert (shown.field("state"), shown.field("action")) == ("waiting", id_)
    assert isinstance(shown.result, dict)
    assert "attempt_records" not in shown.result
    for each in ("other", "nothing"):
        assert is_denied(granting.script.get(f"/triggers/{each}"))
    assert is_denied(granting.script.get("/triggers"))
    for act in ("hold", "release", "cancel", "retry"):
        assert is_denied(granting.script.ask("POST", f"/triggers/own/{act}"))
    granting.full.ask("DELETE", f"/am/{policy}")
    assert is_denied(granting.script.get("/triggers/own"))
    assert is_denied(granting.script.ask("POST", "/triggers", one(id_)))


def test_a_policy_removed_during_a_request_counts_for_what_comes_after(
    granting: Granting,
) -> None:
    id_ = granting.one("action", "n")
    policy = granting.allow("trigger", of=["action"])

    def lines() -> Iterator[bytes]:
        yield json.dumps(one(id_, "before")).encode() + b"\n"
        assert deadline.met(
            lambda: granting.full.get("/triggers/before").status == 200, WITHIN
        )
        granting.full.ask("DELETE", f"/am/{policy}")
        yield json.dumps(one(id_, "after")).encode() + b"\n"

    headers = {
        "token": str(granting.script.token),
        "content-type": "application/x-ndjson",
    }
    answer = granting.script.client.post("/triggers", content=lines(), headers=headers)

    assert answer.status_code == 207
    assert granting.full.get("/triggers/after").status == 404


def test_runs_that_trigger_one_another_come_to_an_end(granting: Granting) -> None:
    action = granting.one("action", "n")
    granting.allow("trigger", of=["action"])
    granting.full.ask("POST", "/triggers", one(action, "t0"))

    answers = list[Answer]()
    for n in range(LONGEST):
        token = asyncio.run(token_of_run(granting, action, f"t{n}"))
        own = granting.full.with_token(token)
        answers.append(own.ask("POST", "/triggers", one(action, f"t{n + 1}")))

    assert [each.status for each in answers] == [202] * (LONGEST - 1) + [409]
    assert "this one publishes no more" in str(answers[-1].message)
    # The next of a person, and of a schedule, is the first again.
    token = asyncio.run(token_of_run(granting, action, None))
    first = granting.full.with_token(token).ask("POST", "/triggers", one(action))
    assert first.status == 202


async def token_of_run(granting: Granting, action: str, trigger: str | None) -> str:
    """Keep a run that the trigger asked for, and return the run's own token."""
    settings = load_settings(None, {"home": granting.home.path})
    async with open_store(settings) as store:
        profile = await find_profile(store.database, settings.profile)
        now = store.audit_log.world.now()
        order = RunOrder(
            id=store.audit_log.world.new_id(now),
            profile=profile.id,
            analysis=granting.analysis,
            run_on=RunOn.EXTERNAL,
            cause=RunCause(
                origin=RunOrigin.REQUEST if trigger is None else RunOrigin.ACTION,
                asked_at=now,
                deadline=now + timedelta(hours=1),
                action=None if trigger is None else action,
                trigger=trigger,
            ),
            scope="[]",
        )
        await run_records(store).keep(order)
        return (await run_tokens(store).token(order)).reveal()
