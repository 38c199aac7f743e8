"""Analyses: read as TagoIO's clients write them, strictly."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.model.analysis import (
    MOST_VARIABLES,
    Analysis,
    RunOn,
    Variable,
    looks_like_credential,
    parse_analysis,
)
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.uploaded_script import (
    LARGEST_SCRIPT,
    Runtime,
    ScriptVersion,
    parse_script,
    version_of,
)

ID, PROFILE = "a" * 24, "b" * 24
UPLOADED = datetime(2030, 1, 1, tzinfo=UTC)


def parsed(**fields: object) -> Analysis:
    return parse_analysis({"name": "cold rooms", **fields}, ID, PROFILE)


def test_what_is_left_out_is_as_tagoio_has_it() -> None:
    analysis = parsed()

    assert analysis.active
    assert analysis.run_on is RunOn.HOSTED
    assert analysis.interval is None
    assert analysis.variables == ()
    assert analysis.tagged.kind == "analysis"


def test_all_fields_are_read() -> None:
    analysis = parsed(
        active=False,
        description=None,
        interval="5 minutes",
        run_on="external",
        file_name="main.py",
        runtime="python-rt2025",
        variables=[
            {"key": "limit", "value": 8},
            {"key": "on", "value": True},
            {"key": "unit", "value": "C"},
            {"key": "empty", "value": ""},
        ],
        tags=[{"key": "team", "value": "north"}],
    )

    assert not analysis.active
    assert analysis.run_on is RunOn.EXTERNAL
    assert analysis.interval == timedelta(minutes=5)
    assert analysis.variables == (
        Variable("limit", 8),
        Variable("on", value=True),
        Variable("unit", "C"),
        Variable("empty", ""),
    )
    assert [tag.key for tag in analysis.tagged.tags] == ["team"]


VARIABLE = {"key": "limit", "value": 8}


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"unknown": 1},
        {"active": "yes"},
        {"run_on": "cloud"},
        {"run_on": ["tago"]},
        {"runtime": "python"},
        {"interval": "often"},
        {"description": 5},
        {"variables": VARIABLE},
        {"variables": [VARIABLE, VARIABLE]},
        {"variables": [{"key": "limit"}]},
        {"variables": [{"key": "limit", "value": None}]},
        {"variables": [{"key": "limit", "value": []}]},
        {"variables": [{"key": "a b", "value": 1}]},
        {"variables": [{"key": "", "value": 1}]},
        {"variables": [{"key": "long", "value": "x" * 8193}]},
        {"variables": [{"key": "limit", "value": 8, "secret": True}]},
        {"variables": [{"key": f"k{n}", "value": n} for n in range(21)]},
    ],
)
def test_what_is_wrong_is_refused(fields: Mapping[str, object]) -> None:
    with pytest.raises(InvalidDefinition):
        parsed(**fields)


def test_as_many_variables_as_are_allowed_are_read() -> None:
    variables = [{"key": f"k{n}", "value": n} for n in range(MOST_VARIABLES)]

    assert len(parsed(variables=variables).variables) == MOST_VARIABLES


@pytest.mark.parametrize("name", ["main.py", "my script.js", "bundle.tar.gz", "a"])
def test_a_base_name_is_the_name_of_a_file(name: str) -> None:
    parsed(file_name=name)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", ".profile", "a/b.py", "/etc/passwd", "..\\b", "C:b", "a\0b", "a\nb",
     "x" * 256],
)  # fmt: skip
def test_what_could_leave_its_folder_is_no_name(name: str) -> None:
    with pytest.raises(InvalidDefinition):
        parsed(file_name=name)


def uploaded(**fields: object) -> Mapping[str, object]:
    file = base64.b64encode(b"print(1)").decode()
    return {"file": file, "file_name": "main.py", **fields}


def test_an_upload_is_its_name_its_language_and_its_bytes() -> None:
    draft = parse_script(uploaded(language="python-rt2025"))

    assert draft.content == b"print(1)"
    assert draft.file_name == "main.py"
    assert draft.language is Runtime.PYTHON


@pytest.mark.parametrize(
    "fields",
    [
        {"file": ""},
        {"file": None},
        {"file": "not base64!"},
        {"file": "YQ"},
        {"file": "é"},
        {"file_name": "../main.py"},
        {"file_name": None},
        {"language": "cobol"},
        {"more": 1},
    ],
)
def test_a_wrong_upload_is_refused(fields: Mapping[str, object]) -> None:
    with pytest.raises(InvalidDefinition):
        parse_script(uploaded(**fields))


def test_a_script_has_five_megabytes_at_most() -> None:
    largest = base64.b64encode(bytes(LARGEST_SCRIPT)).decode()
    larger = base64.b64encode(bytes(LARGEST_SCRIPT + 1)).decode()

    assert len(parse_script(uploaded(file=largest)).content) == LARGEST_SCRIPT
    with pytest.raises(InvalidDefinition):
        parse_script(uploaded(file=larger))


@given(st.dictionaries(st.sampled_from(["file", "file_name"]), st.text()))
def test_any_upload_is_read_or_refused(fields: dict[str, str]) -> None:
    try:
        draft = parse_script(fields)
    except InvalidDefinition:
        return
    assert base64.b64encode(draft.content).decode() == fields["file"]


def version(number: int) -> ScriptVersion:
    return ScriptVersion(
        number=number,
        file_name="main.py",
        language=Runtime.PYTHON,
        size=1,
        digest="",
        uploaded_at=UPLOADED,
    )


@pytest.mark.parametrize("number", [0, 3, -1])
def test_a_version_that_is_not_there_is_refused(number: int) -> None:
    with pytest.raises(InvalidDefinition, match="1 to 2"):
        version_of([version(1), version(2)], number)


def test_without_a_script_it_is_said_to_upload_one() -> None:
    with pytest.raises(InvalidDefinition, match="upload a script first"):
        version_of([], 1)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("smtp_password", "hunter2"),
        ("API_KEY", "x"),
        ("MyToken", "x"),
        ("id", "AKIAIOSFODNN7EXAMPLE"),
        ("pem", "-----BEGIN PRIVATE KEY-----"),
    ],
)
def test_what_looks_like_a_credential_is_told(key: str, value: str) -> None:
    assert looks_like_credential(Variable(key, value))


@pytest.mark.parametrize(
    ("key", "value"), [("limit", 8), ("unit", "C"), ("password", ""), ("token", 5)]
)
def test_what_does_not_is_not(key: str, value: str | int) -> None:
    assert not looks_like_credential(Variable(key, value))
