"""Environments of hosted runs: what a script is given, in which order, and why not."""

import json
from collections.abc import Callable, Iterator, Mapping

import pytest

from tests.e2e.mails import smtp_secret
from tests.e2e.queues import sqs_secret
from tests.installed.api import Api, answering
from tests.installed.home import Home
from tests.installed.hosting import (
    RELEASE,
    Analysis,
    Ran,
    done,
    new_analysis,
    new_policy,
    new_secret,
    result,
)

# Values, so that none is masked, one by one in a form that no scrubber looks for.
TELLS = """\
import json, os
for pair in json.loads(os.environ["T_ANALYSIS_ENV"]):
    value = pair["value"]
    told = value[::-1] if isinstance(value, str) else value
    print("given", json.dumps([pair["key"], told]))
print("scope", os.environ["T_ANALYSIS_DATA"])
"""
DENY: Mapping[str, object] = {
    "name": "never the red ones",
    "targets": [["analysis"]],
    "permissions": [
        {
            "effect": "deny",
            "action": ["access"],
            "resource": ["secrets", "tag.key", "team", "tag.value", "red"],
        },
    ],
}
OF_THE_TAG: Mapping[str, object] = {
    "name": "by site",
    "targets": [["analysis"]],
    "permissions": [
        {
            "effect": "allow",
            "action": ["access"],
            "resource": ["secrets", "tag_match", "site"],
        },
    ],
}
NORTH = [{"key": "site", "value": "north"}]
SOUTH = [{"key": "site", "value": "south"}]


def given(ran: Ran) -> list[tuple[str, object]]:
    """Return what the script of a run that ended well has told of its environment."""
    assert ran.state == "done", ran.document
    (*_, beginning) = (n for n, line in enumerate(ran.console) if line == "begins")
    told = [
        json.loads(line.removeprefix("given "))
        for line in ran.console[beginning + 1 :]
        if line.startswith("given ")
    ]
    return [(key, v[::-1] if isinstance(v, str) else v) for key, v in told]


def telling(api: Api, **fields: object) -> Analysis:
    return new_analysis(api, "print('begins')\n" + TELLS, **fields)


def test_secrets_come_by_key_then_variables_and_one_replaces_a_secret_of_its_key(
    api: Api,
) -> None:
    mail = smtp_secret(587)
    queue = sqs_secret("https://sqs.eu-central-1.amazonaws.com/123456789012/orders")
    new_secret(api, "zebra", "stripes")
    new_secret(api, "mail", mail, "smtp")
    new_secret(api, "limit", "never seen")
    new_secret(api, "Queue", queue, "aws-sqs")
    new_policy(api)
    analysis = telling(
        api,
        variables=[
            {"key": "unit", "value": "C"},
            {"key": "limit", "value": 8.5},
            {"key": "is_on", "value": False},
        ],
    )

    found = given(analysis.run([{"variable": "temperature", "value": 9}]))

    keys = [key for key, _ in found]
    assert keys == ["Queue", "mail", "zebra", "unit", "limit", "is_on"]
    values = dict(found)
    assert json.loads(str(values["mail"])) == mail
    assert json.loads(str(values["Queue"])) == queue
    assert values["zebra"] == "stripes"
    assert (values["unit"], values["limit"], values["is_on"]) == ("C", 8.5, False)
    assert 'scope [{"variable":"temperature","value":9}]' in analysis.console


def test_the_console_has_both_outputs_in_their_order_and_how_it_ended(
    api: Api,
) -> None:
    analysis = new_analysis(
        api,
        """\
        import sys
        for number in range(3):
            print("out", number)
            print("err", number, file=sys.stderr)
        raise SystemExit(3)
        """,
    )

    ran = analysis.run()

    assert ran.state == "failed"
    assert [*ran.console[:6]] == [
        f"{which} {number}" for number in range(3) for which in ("out", "err")
    ]
    assert len(ran.console) == 7
    assert ran.console[6] == ran.sentence
    assert ran.sentence.startswith("The script ended with exit code 3. (")


def test_a_run_is_asked_for_and_followed_on_the_command_line(
    api: Api, profile: Home
) -> None:
    new_secret(api, "password", "correct horse")
    new_policy(api)
    telling(api, name="by hand")
    point = json.dumps([{"variable": "temperature", "value": 9}])

    ended = profile.attempt(
        *("analysis", "run", "by hand", "--follow", "--scope", "-"), given=point
    )
    listed = profile.read("analysis", "runs", "by hand")

    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert 'given ["password", "esroh tcerroc"]' in ended.out
    assert 'scope [{"variable":"temperature","value":9}]' in ended.out
    assert "The script ended well." in lines[-1]
    assert isinstance(listed, list)
    assert [each["state"] for each in listed] == ["done"]


@pytest.mark.parametrize(
    "scope",
    ['[{"value": NaN}]', '[{"value": "\\ud800"}]', '[{"a": 1, "a": 2}]', "[1", ""],
)
def test_a_scope_that_is_no_strict_json_is_refused_in_a_sentence(
    api: Api, profile: Home, scope: str
) -> None:
    telling(api, name="by hand")

    ended = profile.attempt("analysis", "run", "by hand", "--scope", "-", given=scope)

    assert ended.code != 0
    assert "a scope is a JSON array of data points" in ended.err
    assert "Traceback" not in ended.err


def test_a_script_that_fails_ends_the_command_that_follows_it_with_one(
    api: Api, profile: Home
) -> None:
    new_analysis(api, "raise SystemExit(3)", name="by hand")

    ended = profile.attempt("analysis", "run", "by hand", "--follow")

    assert ended.code == 1
    assert "The script ended with exit code 3." in ended.out


def test_each_release_is_on_record_with_its_policy_secret_version_and_place(
    api: Api, profile: Home
) -> None:
    one, other = new_secret(api, "a", "one"), new_secret(api, "b", "other")
    done(api.ask("PUT", f"/secrets/{one}", {"value": "another"}))
    policy = new_policy(api)
    analysis = telling(api)

    ran = analysis.run()
    records = profile.read("audit", "list", "--kind", "release")

    assert given(ran) == [("a", "another"), ("b", "other")]
    assert isinstance(records, list)
    told = {str(each["secret"]): each for each in records}
    assert told.keys() == {one, other}
    assert {each["policy"] for each in records} == {policy}
    assert {each["run"] for each in records} == {ran.id}
    assert {each["analysis"] for each in records} == {analysis.id}
    assert (told[one]["secret_version"], told[other]["secret_version"]) == (2, 1)
    assert "hosted" in json.dumps(records[0])


def test_a_denied_secret_is_not_given_and_the_console_says_why(
    api: Api, profile: Home
) -> None:
    new_secret(api, "blue", "one", team="blue")
    new_secret(api, "red", "two", team="red")
    new_policy(api)
    new_policy(api, DENY)
    analysis = telling(api, name="by hand")

    ran = analysis.run()
    records = profile.read("audit", "list", "--kind", "release")

    assert given(ran) == [("blue", "one")]
    assert ran.console[0].startswith("secret red is withheld: ")
    assert 'policy "never the red ones"' in ran.console[0]
    assert isinstance(records, list)
    assert len(records) == 1


# The very next run sees a change, asked for at whichever process


@pytest.fixture(scope="module")
def second(hosted: Api, hosted_home: Home) -> Iterator[Api]:
    """Another process of the API, beside the one that hosts."""
    with answering(hosted_home) as other:
        yield other


Change = Callable[[Api, Analysis, Mapping[str, str]], None]


def remove_policy(api: Api, _: Analysis, ids: Mapping[str, str]) -> None:
    done(api.ask("DELETE", f"/am/{ids['policy']}"))


def switch_policy_off(api: Api, _: Analysis, ids: Mapping[str, str]) -> None:
    done(api.ask("PUT", f"/am/{ids['policy']}", {"active": False}))


def deny_beside_it(api: Api, _: Analysis, ids: Mapping[str, str]) -> None:
    document = {**RELEASE, "name": "never"}
    permission = {"effect": "deny", "action": ["access"], "resource": ["secrets"]}
    new_policy(api, {**document, "permissions": [permission]})


def tag_the_secret(api: Api, _: Analysis, ids: Mapping[str, str]) -> None:
    done(api.ask("PUT", f"/secrets/{ids['secret']}", {"tags": SOUTH}))


def tag_the_analysis(_: Api, analysis: Analysis, ids: Mapping[str, str]) -> None:
    analysis.edit(tags=SOUTH)


def add_a_variable(_: Api, analysis: Analysis, ids: Mapping[str, str]) -> None:
    analysis.edit(variables=[{"key": "password", "value": "a variable's"}])


def replace_the_value(api: Api, _: Analysis, ids: Mapping[str, str]) -> None:
    done(api.ask("PUT", f"/secrets/{ids['secret']}", {"value": "another"}))


def remove_the_secret(api: Api, _: Analysis, ids: Mapping[str, str]) -> None:
    done(api.ask("DELETE", f"/secrets/{ids['secret']}"))


@pytest.mark.parametrize("which", ["the process that hosts", "another process"])
@pytest.mark.parametrize(
    ("change", "after"),
    [
        (remove_policy, None),
        (switch_policy_off, None),
        (deny_beside_it, None),
        (tag_the_secret, None),
        (tag_the_analysis, None),
        (add_a_variable, "a variable's"),
        (replace_the_value, "another"),
        (remove_the_secret, None),
    ],
)
def test_the_very_next_run_sees_a_change(
    api: Api, second: Api, which: str, change: Change, after: str | None
) -> None:
    at = api if which == "the process that hosts" else second.with_token(api.token)
    ids = {
        "secret": new_secret(api, "password", "correct horse", site="north"),
        "policy": new_policy(api, OF_THE_TAG),
    }
    analysis = telling(api, tags=NORTH)
    before = given(analysis.run())

    change(at, analysis.through(at), ids)
    found = given(analysis.through(at).run())

    assert before == [("password", "correct horse")]
    assert found == ([] if after is None else [("password", after)])


# The run's own token


WAITS = """\
import os, time, urllib.request
asked = urllib.request.Request(
    os.environ["TAGOIO_API"] + "/info",
    headers={"token": os.environ["T_ANALYSIS_TOKEN"]},
)
for _ in range(2_000):
    answer = urllib.request.urlopen(asked)
    if b"end now" in answer.read():
        break
    time.sleep(0.05)
else:
    raise SystemExit(4)
"""


def test_a_run_s_own_token_counts_while_it_runs_and_not_after(api: Api) -> None:
    analysis = new_analysis(api, WAITS)
    asked = analysis.ask()
    own = api.with_token(str(asked["analysis_token"]))

    while_it_runs = own.get("/info")
    analysis.edit(name="end now")
    ran = analysis.ended(str(asked["run"]))
    after = own.get("/info")

    assert ran.state == "done", ran.document
    assert while_it_runs.status == 200
    assert result(while_it_runs)["id"] == analysis.id
    assert after.status == 401
