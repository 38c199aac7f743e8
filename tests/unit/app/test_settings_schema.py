"""The settings' schema: it and the program agree on what stands in a settings file."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from keyrelay.app.settings import InvalidSettings, Settings
from keyrelay.app.settings_loading import load_settings

SCHEMA = json.loads(
    (Path(__file__).parents[3] / "config" / "keyrelay.schema.json").read_text()
)
VALIDATOR = Draft202012Validator(SCHEMA)
# What a URL or a network must be beyond its beginning, no schema can say.
BEYOND_A_SCHEMA = {"database", "queue", "egress_allow", "api_trusted_proxies"}

WORDS = """true yes 1 587 1.5 none key NONE required optional auto json text PLAIN plain
SCRAM-SHA-256 off OFF 127.0.0.1:9464 [::1]:0 localhost:65535 localhost:65536 x: :1 x:٣
x:1e3 http://127.0.0.1:4566 https://sqs.example.com http://a/ http://u@a ftp://a HTTP://a
http://[::1]:1 http://a:999999 http://a/b http://a/b/ http://a?b 127.0.0.0/8 10.0.0.1
10.0.0.1/8 sqlite:////x sqlite://
kafka://h:9092?topic=a kafka://h postgresql://u@h/d postgres://h/d mysql://x ~/x -x a_b
alerts.example.com [192.0.2.1] ä.example a..b"""
ODD = (
    "",
    " ",
    "off\n",
    "a.b\n",
    "a" * 63,
    "a" * 64,
    f"{'a.' * 127}a",
    f"{'a.' * 128}a",
)
TEXTS = st.sampled_from(re.split(r"\s+", WORDS)) | st.sampled_from(ODD)
NUMBERS = st.one_of(
    st.sampled_from([0, 1, -1, 0.5, 0.4, 587.0, 587.5, 720, 720.5, 1024, 1025, 65536]),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
)
VALUES: st.SearchStrategy[object] = st.one_of(
    TEXTS,
    NUMBERS,
    st.booleans(),
    st.lists(TEXTS | NUMBERS | st.booleans(), max_size=3),
    st.just({}),
)
NAMES = st.sampled_from([*Settings.model_fields, "lane", "Lanes", "KEYRELAY_LANES"])


@pytest.fixture(autouse=True, scope="module")
def _bare_environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for field in Settings.model_fields:
            patch.delenv(f"KEYRELAY_{field}".upper(), raising=False)
        yield


def is_taken(document: Mapping[str, object]) -> bool:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "keyrelay.toml"
        # What JSON writes of these values, TOML reads alike, but for empty objects.
        lines = (f"{name} = {json.dumps(value)}" for name, value in document.items())
        file.write_text("\n".join(lines))
        try:
            load_settings(file, {})
        except InvalidSettings:
            return False
    return True


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@given(name=NAMES, value=VALUES)
def test_schema_and_program_agree_on_every_setting(name: str, value: object) -> None:
    fits = VALIDATOR.is_valid({name: value})

    if name in BEYOND_A_SCHEMA and fits:
        return
    assert is_taken({name: value}) == fits


@given(document=st.dictionaries(NAMES, VALUES, max_size=4))
def test_what_the_schema_refuses_is_refused(document: dict[str, object]) -> None:
    assert VALIDATOR.is_valid(document) or not is_taken(document)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_some_value_of_each_setting_is_taken_and_some_is_refused(name: str) -> None:
    some: list[object] = [True, 1, 24, "x", "auto", "key", "PLAIN", "optional"]
    some += ["sqlite:////x", "127.0.0.1:1", "http://a", [587], ["10.0.0.0/8"]]
    some += [["http://a"], ["hosted"], "api"]

    assert {is_taken({name: value}) for value in some} == {True, False}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("kafka_tls = 'yes'", "true or false"),
        ("lanes = '32'", "a number"),
        ("egress_allow = [1]", "a list"),
        ("egress_allow = '10.0.0.0/8'", "a list"),
        ("sqs_endpoints = [[]]", "a list"),
        ("profile = 2030-01-01", "a text in quotes"),
    ],
)
def test_a_value_of_another_type_is_refused_in_a_sentence(
    line: str, words: str, tmp_path: Path
) -> None:
    file = tmp_path / "keyrelay.toml"
    file.write_text(line)

    with pytest.raises(InvalidSettings, match=words):
        load_settings(file, {})
