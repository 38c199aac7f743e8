"""Cutting: the same documents however a stream is cut, in bounded memory."""

import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keyrelay.model.documents import DEEPEST, InvalidDefinition, parse_document
from keyrelay.model.trigger import LARGEST_TRIGGER
from keyrelay.sources.cutting import (
    MOST_TOGETHER,
    Cut,
    CutOff,
    Cutter,
    JsonList,
    Lines,
    Whole,
    cut,
)
from keyrelay.sources.short_list import ShortList

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(['"', "\\", '\\"', "],[", "}{", "\\\\"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
OBJECTS = st.lists(st.dictionaries(st.text(max_size=4), JSON, max_size=3), max_size=6)
# Bytes that are nearly JSON, or JSON.
BODIES = (
    st.binary(max_size=60)
    | st.lists(
        st.sampled_from([b"[", b"]", b"{", b"}", b",", b'"', b"\\", b" ", b"1", b":"]),
        max_size=40,
    ).map(b"".join)
    | OBJECTS.map(lambda objects: json.dumps(objects).encode())
)
CUTTERS = [JsonList, ShortList, Lines, Whole]


def documents(cutter: Cutter, *chunks: bytes) -> Sequence[Cut]:
    return [*(each for chunk in chunks for each in cutter.feed(chunk)), *cutter.end()]


def pieces(body: bytes, sizes: Iterable[int]) -> Iterator[bytes]:
    for size in sizes:
        yield body[:size]
        body = body[size:]
    yield body


@pytest.mark.parametrize("kind", CUTTERS)
@given(body=BODIES, sizes=st.lists(st.integers(0, 9), max_size=30))
@example(body=b'[{"a":"\\"]"}]', sizes=[1] * 14)
@example(body=b'[{"a":"\\\\"},{}]', sizes=[7, 1, 0, 1, 1])
@example(body=b'["a\\\n",7]', sizes=[3])
@example(body=b"[{}]7", sizes=[4])
def test_however_a_stream_is_cut_the_documents_are_the_same(
    kind: Callable[[], Cutter], body: bytes, sizes: Sequence[int]
) -> None:
    assert documents(kind(), *pieces(body, sizes)) == documents(kind(), body)


@given(body=BODIES)
@example(body=b'[{"a":"]"} , 7,\t[{}, null]\n]')
@example(body=b'["\xff"]')
def test_a_short_list_is_cut_as_a_long_one_is(body: bytes) -> None:
    assert documents(ShortList(), body) == documents(JsonList(), body)


def test_what_is_too_deep_does_not_end_a_short_list() -> None:
    deep = b"[" * 100 + b"]" * 100

    found = documents(ShortList(), b"[{}," + deep + b",{}]")

    assert found == [(1, b"{}"), (2, deep), (3, b"{}")]


@pytest.mark.parametrize("depth", [2000, 200_000])
def test_what_is_too_deep_to_be_decoded_ends_it(depth: int) -> None:
    *_, (_, last) = documents(ShortList(), b"[{}," + b"[" * depth)

    assert isinstance(last, CutOff)


@given(objects=OBJECTS, indent=st.none() | st.integers(0, 2), ascii_only=st.booleans())
def test_the_elements_of_a_list_are_what_json_reads(
    objects: Sequence[object], indent: int | None, *, ascii_only: bool
) -> None:
    body = json.dumps(objects, indent=indent, ensure_ascii=ascii_only)

    found = documents(JsonList(), body.encode("utf-8", "surrogatepass"))

    assert [number for number, _ in found] == [*range(1, len(objects) + 1)]
    assert [json.loads(raw) for _, raw in found if isinstance(raw, bytes)] == objects


@given(body=BODIES)
def test_what_json_refuses_gives_something_that_is_refused(body: bytes) -> None:
    found = documents(JsonList(), body)

    read = [raw for _, raw in found if isinstance(raw, bytes) and is_object(raw)]
    if len(read) == len(found):
        # Each document is an object: the whole is a list of them, or a single one.
        assert json.loads(body) in ([json.loads(raw) for raw in read], json.loads(body))


def is_object(raw: bytes) -> bool:
    try:
        parse_document(raw)
    except InvalidDefinition:
        return False
    return True


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1}',
        b' {"a": [1, 2]} ',
        b"7",
        b"{} {}",
        b"nonsense",
        b"",
        b" \n",
        b"\xff[",
    ],
)
def test_what_is_no_list_is_one_document(body: bytes) -> None:
    assert documents(JsonList(), body) == [(1, body)]


@pytest.mark.parametrize("body", [b"[]", b" [ ]\r\n", b"[\t]"])
def test_an_empty_list_holds_nothing(body: bytes) -> None:
    assert documents(JsonList(), body) == []


@pytest.mark.parametrize(
    ("body", "read"),
    [
        (b"[{},{}", 1),
        (b"[", 0),
        (b'[{},"', 1),
        (b"[{}] {},{}]", 1),
        (b"[{}][{}]", 1),
        (b"[{}]],{}]", 1),
        (b"[{},{]},{}]", 1),
        (b"[{}},{}]", 0),
        (b"[{}," + b"[" * 100 + b",{}]", 1),
    ],
)
def test_where_a_list_is_none_it_ends_and_nothing_after_is_read(
    body: bytes, read: int
) -> None:
    *before, (number, last) = documents(JsonList(), body)

    assert before == [(each, b"{}") for each in range(1, read + 1)]
    assert number == read + 1
    assert isinstance(last, CutOff)
    assert "nothing is read from here on" in last.reason


def test_a_list_ends_where_its_brackets_are_too_deep_though_they_match() -> None:
    deep = b"[" * (2 * DEEPEST - 1) + b"]" * (2 * DEEPEST - 1)

    found = documents(JsonList(), b"[" + deep + b",[" + deep + b"],{}]")

    assert found[0] == (1, deep)
    (number, last), *after = found[1:]
    assert number == 2
    assert isinstance(last, CutOff)
    assert "too deep" in last.reason
    assert after == []


def test_blanks_before_a_list_are_not_those_of_its_first_element() -> None:
    assert documents(JsonList(), b" " * LARGEST_TRIGGER, b"[{}]") == [(1, b"{}")]


@pytest.mark.parametrize(
    ("body", "elements"),
    [
        (b"[1,[2,3],{}]", [b"1", b"[2,3]", b"{}"]),
        (b"[{},]", [b"{}", b""]),
        (b"[,]", [b"", b""]),
        (b"[{} {}]", [b"{} {}"]),
        (b"[\x0b{},\xc2\xa0{}]", [b"\x0b{}", b"\xc2\xa0{}"]),
    ],
)
def test_an_element_is_all_that_stands_between_two_commas(
    body: bytes, elements: Sequence[bytes]
) -> None:
    assert [raw for _, raw in documents(JsonList(), body)] == elements


LARGE = b'{"a":"' + b"x" * 3 * LARGEST_TRIGGER + b'"}'


@pytest.mark.parametrize(
    ("kind", "body", "after"),
    [
        (JsonList, b"[" + LARGE + b",{}]", [(2, b"{}")]),
        (Lines, LARGE + b"\n{}", [(2, b"{}")]),
        (Whole, LARGE, []),
    ],
    ids=["list", "lines", "whole"],
)
def test_a_document_that_is_too_large_is_cut_short_and_those_after_it_are_read(
    kind: Callable[[], Cutter], body: bytes, after: Sequence[Cut]
) -> None:
    chunks = [body[at : at + 65536] for at in range(0, len(body), 65536)]

    first, *rest = documents(kind(), *chunks)

    assert first == (1, LARGE[: LARGEST_TRIGGER + 1])
    assert rest == after


def test_blank_lines_are_counted_and_passed_over() -> None:
    found = documents(Lines(), b'\n{"a": 1}\r\n  \n', b"{}")

    assert found == [(2, b'{"a": 1}\r'), (4, b"{}")]


async def test_the_documents_of_a_chunk_come_together() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for chunk in (b"[{},{}", b",", b" {}", b"]"):
            yield chunk

    found = [each async for each in cut(chunks(), JsonList())]

    assert found == [[(1, b"{}")], [(2, b"{}")], [(3, b"{}")]]


async def test_of_very_many_documents_in_a_chunk_some_come_together() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"7\n" * (MOST_TOGETHER + 1)

    found = [len(each) async for each in cut(chunks(), Lines())]

    assert found == [MOST_TOGETHER, 1]


async def test_what_a_stream_ends_with_comes_last() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"{}"

    assert [each async for each in cut(chunks(), JsonList())] == [[(1, b"{}")]]
