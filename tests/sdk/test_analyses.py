"""Analyses, through both of TagoIO's clients: each call, list and failure."""

import base64
import gzip
import json
from collections.abc import Mapping

import httpx
import pytest

from tests.sdk.client import Sdk, last
from tests.sdk.conftest import Served
from tests.sdk.test_secrets import INSTANT, TAGS, UNKNOWN

SCRIPT = b"print('hello')\n"
VARIABLES: list[dict[str, object]] = [
    {"key": "limit", "value": 8},
    {"key": "unit", "value": "C"},
]


def created(sdk: Sdk, document: Mapping[str, object]) -> str:
    made = sdk.document("analysis.create", document)
    assert made.keys() == {"id", "token"}
    return str(made["id"])


def uploaded(sdk: Sdk, id_: str, content: bytes = SCRIPT) -> object:
    file = {
        "name": "main.py",
        "content": base64.b64encode(content).decode(),
        "language": "python-rt2025",
    }
    return sdk.call("analysis.uploadScript", id_, file)


def downloaded(served: Served, sdk: Sdk, id_: str, *options: object) -> bytes:
    """Return the script as TagoIO's command-line tool gets it: without a token."""
    told = sdk.document("analysis.downloadScript", id_, *options)
    assert told["size_unit"] == "bytes"
    assert INSTANT.fullmatch(str(told["expire_at"]))
    with httpx.Client(trust_env=False) as client:
        # It listens on any port, which its own settings do not know.
        answer = client.get(f"{served.url}{httpx.URL(str(told['url'])).path}")
    content = gzip.decompress(answer.content)
    assert len(content) == told["size"]
    return content


def test_an_analysis_is_created_with_no_more_than_its_name(sdk: Sdk, mark: str) -> None:
    id_ = created(sdk, {"name": mark})

    info = sdk.document("analysis.info", id_)

    assert len(id_) == 24
    expected = {
        "id": id_,
        "name": mark,
        "active": True,
        "run_on": "tago",
        "runtime": "node-rt2025",
        "interval": "never",
        "variables": [],
        "tags": [],
        "console": [],
        "last_run": "never",
        "version": None,
    }
    assert {name: info[name] for name in expected} == expected
    assert INSTANT.fullmatch(str(info["created_at"]))
    assert INSTANT.fullmatch(str(info["updated_at"]))


def test_an_analysis_comes_back_as_it_was_sent(sdk: Sdk, mark: str) -> None:
    sent = {
        "name": mark,
        "description": "watches the cold rooms",
        "active": False,
        "interval": "5 minutes",
        "run_on": "external",
        "runtime": "python-rt2025",
        "file_name": "main.py",
        "variables": VARIABLES,
        "tags": TAGS,
    }

    info = sdk.document("analysis.info", created(sdk, sent))

    assert {name: info[name] for name in sent} == sent


def test_an_edit_replaces_what_it_names(sdk: Sdk, mark: str) -> None:
    id_ = created(sdk, {"name": mark, "tags": TAGS})
    changes = {"name": f"{mark} b", "active": False, "variables": VARIABLES}

    text = sdk.call("analysis.edit", id_, changes)
    info = sdk.document("analysis.info", id_)

    assert text == "Analysis Successfully Updated"
    assert {name: info[name] for name in changes} == changes
    assert info["tags"] == TAGS


def test_a_whole_info_is_sent_back_and_makes_a_duplicate(sdk: Sdk, mark: str) -> None:
    id_ = created(sdk, {"name": mark, "variables": VARIABLES, "tags": TAGS})
    uploaded(sdk, id_)

    sdk.document("analysis.info", id_)
    sdk.call("analysis.edit", id_, last({"active": False}))
    sdk.document("analysis.info", id_)
    copy = created(sdk, last({"name": f"{mark} copy"}))
    duplicate = sdk.document("analysis.info", copy)

    assert copy != id_
    assert duplicate["variables"] == VARIABLES
    assert duplicate["active"] is False
    assert duplicate["version"] is None  # scripts are uploaded, and not copied


def test_an_analysis_is_deleted(sdk: Sdk, mark: str) -> None:
    id_ = created(sdk, {"name": mark})
    uploaded(sdk, id_)

    assert sdk.call("analysis.delete", id_) == "Successfully Removed"
    assert sdk.refusal("analysis.info", id_) == "Analysis can't be found"


def test_each_upload_is_a_version_and_the_last_one_runs(
    served: Served, sdk: Sdk, mark: str
) -> None:
    id_ = created(sdk, {"name": mark})

    text = uploaded(sdk, id_)
    uploaded(sdk, id_, b"print('again')\n")

    assert text == "Analysis Script Successfully Uploaded"
    assert sdk.document("analysis.info", id_)["version"] == 2
    assert downloaded(served, sdk, id_) == b"print('again')\n"
    assert downloaded(served, sdk, id_, {"version": 1}) == SCRIPT


def test_a_script_may_be_any_bytes(served: Served, sdk: Sdk, mark: str) -> None:
    content = bytes(range(256)) * 4096
    id_ = created(sdk, {"name": mark})

    uploaded(sdk, id_, content)

    assert downloaded(served, sdk, id_) == content


def test_a_version_that_is_absent_is_refused(sdk: Sdk, mark: str) -> None:
    id_ = created(sdk, {"name": mark})
    none = sdk.refusal("analysis.downloadScript", id_)
    uploaded(sdk, id_)
    absent = sdk.refusal("analysis.downloadScript", id_, {"version": 2})

    assert none.endswith("there are none: upload a script first")
    assert absent == "there is no such version; there are 1 to 1"


@pytest.mark.parametrize(
    ("file", "why"),
    [
        ({"content": "%"}, "file must be the script's bytes in base64"),
        ({"name": "../main.py"}, "file_name must be the name of a file"),
        ({"language": "cobol"}, "language must be one of node-legacy"),
        ({"content": "A" * 7_000_000}, "a script must have 1 to 5242880 bytes"),
    ],
    ids=["no base64", "a path", "a language", "too large"],
)
def test_an_upload_that_cannot_be_kept_is_refused(
    sdk: Sdk, mark: str, file: Mapping[str, object], why: str
) -> None:
    id_ = created(sdk, {"name": mark})
    good = {"name": "main.py", "content": "cHJpbnQ=", "language": "python-rt2025"}

    text = sdk.refusal("analysis.uploadScript", id_, {**good, **file})

    assert text.startswith(why)


def test_a_token_that_may_only_read_sees_no_variable(
    client: Sdk, sdk: Sdk, served: Served, mark: str
) -> None:
    profile = f"masked-{client.name}"
    served.home.run("profile", "create", profile)
    writer = client.bearing(served.new_token("write", profile))
    reader = client.bearing(served.new_token("read", profile))
    id_ = created(writer, {"name": mark, "variables": VARIABLES})

    shown = reader.document("analysis.info", id_)
    (row,) = reader.rows("analysis.list", {"fields": ["id", "variables"]})

    masked = [{**each, "value": "********"} for each in VARIABLES]
    assert shown["variables"] == row["variables"] == masked
    assert writer.document("analysis.info", id_)["variables"] == VARIABLES
    assert "Denied" in reader.refusal("analysis.downloadScript", id_)


def test_a_full_token_is_told_the_analysis_token_and_others_how_it_begins(
    client: Sdk, served: Served, mark: str
) -> None:
    profile = f"told-{client.name}"
    served.home.run("profile", "create", profile)
    full = client.bearing(served.new_token("full", profile))
    writer = client.bearing(served.new_token("write", profile))

    made = full.document("analysis.create", {"name": mark})
    by_writer = writer.document("analysis.create", {"name": f"{mark} w"})
    shown, to_writer = (
        each.document("analysis.info", made["id"])["token"] for each in (full, writer)
    )

    whole = str(made["token"])
    assert whole.startswith("a-")
    assert len(whole) >= 36
    assert shown == whole
    assert to_writer == whole[:10]
    assert len(str(by_writer["token"])) == 10
    records = served.home.run("--profile", profile, "audit", "list", "--kind", "change")
    assert records.count("revealed") == 2


def test_only_an_external_analysis_is_given_its_token(sdk: Sdk, mark: str) -> None:
    hosted = created(sdk, {"name": mark})
    external = sdk.document("analysis.create", {"name": mark, "run_on": "external"})

    told = sdk.document("analysis.tokenGenerate", external["id"])
    refused = sdk.refusal("analysis.tokenGenerate", hosted)

    assert told == {"analysis_token": external["token"]}
    assert refused.startswith("a hosted analysis is given a token with each run")


def test_a_token_lasts_until_its_analysis_leaves_external(
    client: Sdk, sdk: Sdk, mark: str
) -> None:
    made = sdk.document("analysis.create", {"name": mark})
    id_, before = str(made["id"]), str(made["token"])

    sdk.call("analysis.edit", id_, {"run_on": "external"})
    kept = sdk.document("analysis.tokenGenerate", id_)["analysis_token"]
    told = client.bearing(before).document("device.info")
    sdk.call("analysis.edit", id_, {"run_on": "tago"})
    after = sdk.document("analysis.info", id_)["token"]

    assert kept == before
    assert {name: told[name] for name in ("name", "active", "run_on")} == {
        "name": mark,
        "active": True,
        "run_on": "external",
    }
    assert after != before
    assert "Denied" in client.bearing(before).refusal("device.info")
    assert client.bearing(str(after)).document("device.info")["run_on"] == "tago"


@pytest.fixture
def three(sdk: Sdk, mark: str) -> Mapping[str, str]:
    """The ids of three analyses, by the last letter of their names."""
    site = {"key": "site", "value": mark}
    sent: Mapping[str, Mapping[str, object]] = {
        "B": {"name": f"{mark} B", "active": False, "tags": [site]},
        "a": {"name": f"{mark} a", "run_on": "external", "tags": [site, *TAGS]},
        "c": {"name": f"x {mark} c", "tags": TAGS},
    }
    return {letter: created(sdk, document) for letter, document in sent.items()}


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, "aBc"),
        ({"orderBy": ["name", "desc"]}, "cBa"),
        ({"orderBy": ["run_on", "asc"], "amount": 1}, "a"),
        ({"orderBy": ["created_at", "desc"]}, "caB"),
        ({"orderBy": ["active", "asc"], "amount": 1}, "B"),
        ({"orderBy": ["last_run", "asc"]}, "aBc"),
        ({"amount": 2, "page": 2}, "c"),
        ({"filter": {"name": "mark*"}}, "aB"),
        ({"filter": {"active": False}}, "B"),
        ({"filter": {"run_on": "external"}}, "a"),
        ({"filter": {"run_on": "tago"}}, "Bc"),
        ({"filter": {"tags": [{"key": "site", "value": "mark"}]}}, "aB"),
    ],
    ids=str,
)
def test_analyses_are_listed_by_filter_order_and_page(
    sdk: Sdk, mark: str, three: Mapping[str, str], asked: dict[str, object], found: str
) -> None:
    query = json.loads(json.dumps(asked).replace("mark", mark))
    query.setdefault("filter", {}).setdefault("name", f"*{mark}*")

    rows = sdk.rows("analysis.list", query)

    assert [row["id"] for row in rows] == [three[letter] for letter in found]
    assert rows[0].keys() == {"id", "name"}


@pytest.mark.parametrize("id_", [UNKNOWN, "x"])
def test_what_is_not_there_is_said_so(sdk: Sdk, id_: str) -> None:
    absent = "Analysis can't be found"

    assert sdk.refusal("analysis.info", id_) == absent
    assert sdk.refusal("analysis.edit", id_, {"name": "x"}) == absent
    assert sdk.refusal("analysis.delete", id_) == absent
    assert sdk.refusal("analysis.downloadScript", id_) == absent
    file = {"name": "main.py", "content": "cHJpbnQ=", "language": "python-rt2025"}
    assert sdk.refusal("analysis.uploadScript", id_, file) == absent


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"name": ""}, "name must have 1 to 100 characters"),
        ({"run_on": "cloud"}, "run_on must be one of tago, external"),
        ({"runtime": "cobol"}, "runtime must be one of node-legacy"),
        ({"interval": "often"}, "interval must be never, or a number of"),
        ({"variables": [*VARIABLES, *VARIABLES]}, "variables must not have the same"),
        ({"variables": {}}, "variables must be a list"),
        ({"colour": "red"}, "an analysis has no field 'colour'"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(
    sdk: Sdk, mark: str, changes: Mapping[str, object], why: str
) -> None:
    text = sdk.refusal("analysis.create", {"name": mark, **changes})

    assert text.startswith(why)
