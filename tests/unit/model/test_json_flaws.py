"""JSON flaws: the place where a text stops being strict JSON is told."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.model.documents import InvalidDefinition, parse_document
from keyrelay.model.json_flaws import json_flaw

CANARY = "canary-5a17e8"


@pytest.mark.parametrize(
    ("raw", "flaw"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        ('{"a": "\u6c34"}'.encode("utf-16"), "it is UTF-16"),
        ('{"a": 1}'.encode("utf-16-le"), "it is UTF-16"),
        ('\n{"a": 1}'.encode("utf-16-be"), "it is UTF-16"),
        ('{"a": 1}'.encode("utf-32"), "it is UTF-32"),
        ('{"a": 1}'.encode("utf-32-be"), "it is UTF-32"),
        (b"\0\0\0\0\x07" + b'{"a": 1}', "Confluent"),
        (b"\0\0\x01\xe2@{}", "Confluent"),
        (b'{"a": 1,}', "line 1, column 9"),
        (b'{\n  "a": 1\n  "b": 2\n}', "expecting ',' delimiter at line 3, column 3"),
        (b'{"a": "x\ny"}', "invalid control character at line 1, column 9"),
        (b'{"a": "\\q"}', "invalid \\escape at line 1, column 8"),
        (
            b'{"a": 1}\n{"a": 2}',
            "a second document begins",
        ),
        (b'{"a": 1,\n "b": {"a": 1, "a": 2}}', "stands twice in one object at line 2"),
        (b'{"a": [\nNaN]}', "not a number of JSON at line 2, column 1"),
        (b'{"a": -Infinity}', "not a number of JSON at line 1, column 7"),
        (b'{"a": 1e999}', "a number is too large at line 1, column 7"),
        (b'{"a": "\\ud800"}', "half a surrogate pair is no character at line 1"),
        (b'{"\xc3\xa4": "\xff"}', "it is not UTF-8 at line 1, column 8"),
        ("\ufeff{}".encode(), "byte order mark"),
        ('{"a": "\ud800"}', "half a surrogate pair"),
    ],
)
def test_a_flaw_is_told_with_its_place(raw: bytes | str, flaw: str) -> None:
    with pytest.raises(InvalidDefinition) as refused:
        parse_document(raw)

    assert str(refused.value).startswith("expected one JSON object: ")
    assert flaw in str(refused.value)


@pytest.mark.parametrize("raw", [b"[]", b"1", b'"text"', b"null"])
def test_another_value_than_an_object_has_no_place(raw: bytes) -> None:
    with pytest.raises(InvalidDefinition, match=r"^expected one JSON object$"):
        parse_document(raw)


def test_what_is_too_much_for_the_decoder_is_no_crash() -> None:
    assert json_flaw("[" * 100_000) == ""
    assert "too large" in json_flaw(f'{{"a": {"9" * 5000}}}')


Json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


Documents = st.dictionaries(st.text(), Json, max_size=4)


@given(document=Documents, indent=st.sampled_from([None, 2]))
def test_strict_json_has_no_flaw(document: object, indent: int | None) -> None:
    assert json_flaw(json.dumps(document, indent=indent)) == ""


@given(document=Documents.filter(bool), cut=st.data())
def test_json_that_is_cut_has_one_and_quotes_nothing(
    document: dict[str, object], cut: st.DataObject
) -> None:
    text = json.dumps({**document, "key": CANARY})
    shorter = text[: cut.draw(st.integers(0, len(text) - 1))]

    flaw = json_flaw(shorter)

    assert "line 1, column " in flaw or flaw == "it is empty"
    assert CANARY not in flaw
