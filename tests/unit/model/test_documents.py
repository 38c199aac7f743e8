import json
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.model.documents import (
    InvalidDefinition,
    parse_document,
    refuse_unknown,
    require_bool,
    require_label,
    require_list,
    require_object,
    require_text,
)

# Surrogates, too, which Hypothesis leaves out unless it is told.
ANY_TEXT = st.text(st.characters(exclude_categories=()))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def nested(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


def in_lists(levels: int) -> str:
    return '{"a":' + "[" * (levels - 1) + "]" * (levels - 1) + "}"


@pytest.mark.parametrize("raw", [b'{"a": [1, "\xc3\xa9"]}', '{"a": [1, "é"]}'])
def test_a_document_is_read(raw: bytes | str) -> None:
    assert parse_document(raw) == {"a": [1, "é"]}


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xff", id="no UTF-8"),
        pytest.param('{"a": 1}'.encode("utf-16"), id="UTF-16"),
        pytest.param('{"a": 1}'.encode("utf-32-le"), id="UTF-32"),
        pytest.param('{"a": 1}'.encode("utf-8-sig"), id="byte order mark"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'"a"', id="a string"),
        pytest.param(b"{'a': 1}", id="not JSON"),
        pytest.param(b'{"a": 1} {}', id="two documents"),
        pytest.param(b'{"deny": 1, "deny": 2}', id="a key twice"),
        pytest.param(b'{"a": [{"b": 1, "b": 1}]}', id="a key twice, inside"),
        pytest.param(b'{"a": NaN}', id="NaN"),
        pytest.param(b'{"a": -Infinity}', id="infinity"),
        pytest.param(b'{"a": 1e999}', id="a number beyond all numbers"),
        pytest.param(b'{"a": ' + b"9" * 5000 + b"}", id="a number without end"),
        pytest.param(rb'{"a": "\ud800"}', id="a lone surrogate"),
        pytest.param(rb'{"\udfff": 1}', id="a lone surrogate in a key"),
        pytest.param(rb'{"a": "\uDC00\uD800"}', id="surrogates the wrong way round"),
        pytest.param('{"a": "\ud800"}', id="a lone surrogate as it stands"),
        pytest.param(b'{"a": "\xed\xa0\x80"}', id="a lone surrogate in UTF-8"),
        pytest.param(b'{"a": -1e999}', id="a number below all numbers"),
        pytest.param("[" * 99_999, id="bottomless"),
    ],
)
def test_what_is_not_one_strict_object_is_refused(raw: bytes | str) -> None:
    with pytest.raises(InvalidDefinition, match="one JSON object"):
        parse_document(raw)


@pytest.mark.parametrize("shape", [nested, in_lists])
def test_a_document_has_at_most_32_levels(shape: Callable[[int], str]) -> None:
    parse_document(shape(32))

    with pytest.raises(InvalidDefinition, match="32 levels"):
        parse_document(shape(33))


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        pytest.param('{"a": "%s"}' % ("[{" * 40), "[{" * 40, id="no levels"),
        pytest.param(rb'{"a": "\ud83d\ude00\n"}', "\U0001f600\n", id="a whole pair"),
        pytest.param(json.dumps({"a": 1, "b": [[]] * 40}), 1, id="wide"),
        pytest.param(b'{"a": 1e308}', 1e308, id="almost too large"),
    ],
)
def test_harmless_look_alikes_are_read(raw: bytes | str, value: object) -> None:
    assert parse_document(raw).get("a") == value


@given(raw=st.binary() | st.text() | JSON.map(json.dumps))
def test_any_input_is_read_or_refused(raw: bytes | str) -> None:
    try:
        document = parse_document(raw)
    except InvalidDefinition:
        return
    assert parse_document(json.dumps(document)) == document


def test_a_refusal_quotes_nothing_of_the_input() -> None:
    with pytest.raises(InvalidDefinition) as refusal:
        parse_document('{"password": "canary", "password": "canary"')

    assert "canary" not in repr(refusal.value)
    assert refusal.value.__context__ is None


def test_unknown_fields_are_named_and_the_known_ones_listed() -> None:
    refuse_unknown({"a": 1}, {"a", "b"}, "a thing")

    with pytest.raises(InvalidDefinition, match=r"a thing has no field 'c'; .* a, b$"):
        refuse_unknown({"a": 1, "d": 2, "c": 3}, {"b", "a"}, "a thing")


@pytest.mark.parametrize("name", ["hunter2", "a b", "x" * 41, "\x1b", "é", ""])
def test_a_name_that_can_be_a_value_is_not_repeated(name: str) -> None:
    with pytest.raises(InvalidDefinition) as refusal:
        refuse_unknown({name: 1}, {"a"}, "a thing")

    assert str(refusal.value) == "a thing has no field of that name; it has a"


@pytest.mark.parametrize("text", ["a", "a" * 5, "é" * 5, "\n"])
def test_a_text_is_returned_as_it_is(text: str) -> None:
    assert require_text(text, "it", longest=5) == text


@pytest.mark.parametrize("value", [None, 1, b"a", ["a"], "", "a" * 6])
def test_what_is_no_text_of_that_length_is_refused(value: object) -> None:
    with pytest.raises(InvalidDefinition, match=r"^it must"):
        require_text(value, "it", longest=5)


@pytest.mark.parametrize("text", ["a", "Größe", "with space", "日本", "a-b_c.d"])
def test_a_label_is_returned_as_it_is(text: str) -> None:
    assert require_label(text, "it", longest=10) == text


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("a" * 21, id="long"),
        pytest.param("a\x00", id="control"),
        pytest.param("a\u200b", id="zero-width space"),
        pytest.param("a\u202e", id="bidirectional override"),
        pytest.param("a\ufe0f", id="variation selector"),
        pytest.param("a\U000e0100", id="supplementary variation selector"),
        pytest.param("a\u034f", id="grapheme joiner"),
        pytest.param("a\u1160", id="Hangul filler"),
        pytest.param("a\u2800", id="empty Braille pattern"),
        pytest.param("a\u180b", id="Mongolian selector"),
        pytest.param("a\ue000", id="private use"),
        pytest.param("a\ud800", id="lone surrogate"),
        pytest.param("a\u2028", id="line separator"),
        pytest.param(" a", id="space in front"),
        pytest.param("a ", id="space behind"),
        pytest.param("a  b", id="two spaces"),
        pytest.param("a\u00a0b", id="no-break space"),
        pytest.param("a\u1680b", id="Ogham space"),
        pytest.param("\uff41dmin", id="full-width"),
        pytest.param("e\u0301", id="composed in two"),
        pytest.param("\ufb01n", id="ligature"),
    ],
)
def test_a_label_that_looks_like_another_is_refused(text: str) -> None:
    with pytest.raises(InvalidDefinition, match=r"^it "):
        require_label(text, "it", longest=20)


@given(text=st.text(max_size=20))
def test_a_label_is_kept_byte_for_byte_or_refused(text: str) -> None:
    try:
        label = require_label(text, "it", longest=20)
    except InvalidDefinition:
        return
    assert label == text == unicodedata.normalize("NFKC", text).strip()
    assert label.isprintable()


@pytest.mark.parametrize("value", [1, 0, "true", None])
def test_a_bool_is_true_or_false_and_no_number(value: object) -> None:
    assert require_bool(value is not None, "it") is (value is not None)

    with pytest.raises(InvalidDefinition, match="it must be true or false"):
        require_bool(value, "it")


@pytest.mark.parametrize("value", [[1, 2, 3], (1,), {}, None])
def test_a_list_has_at_most_so_many_entries(value: object) -> None:
    assert require_list([1, 2], "it", longest=2) == [1, 2]

    with pytest.raises(InvalidDefinition, match=r"^it must"):
        require_list(value, "it", longest=2)


@pytest.mark.parametrize("value", [[], "a", None])
def test_an_object_is_an_object(value: object) -> None:
    assert require_object({"a": 1}, "it") == {"a": 1}

    with pytest.raises(InvalidDefinition, match="it must be an object"):
        require_object(value, "it")
