"""JSON templates: what is one, and that every fact leaves it the JSON that it was."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.model.json_templates import (
    fills_a_key,
    has_distinct_keys,
    json_text,
    parse_json_template,
)
from keyrelay.model.templates import Fact, Facts, Scalar, Template, plain

# What ends strings, begins escapes, or is illegal in one, between any other text.
TEXTS = st.lists(
    st.sampled_from(
        ['"', "\\", '\\"', "\n", "\0", "\x7f", "\u2028", "\ufffe", "\uffff"]
    )
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
    | st.sampled_from(['","admin":true,"x":"', "}", "]", "null", "$VALUE$", "\\u"])
).map("".join)
SCALARS = st.one_of(
    TEXTS,
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
)
FACTS = st.dictionaries(st.sampled_from(Fact), SCALARS)


def filled(text: str, facts: Facts) -> object:
    template = parse_json_template(text)
    assert template is not None
    return json.loads(template.fill(facts))


def with_placeholders(facts: Facts) -> st.SearchStrategy[tuple[str, object]]:
    """Return JSON templates, each beside the value that the facts make of it."""

    def outside(fact: Fact) -> tuple[str, object]:
        return f"${fact}$", facts.get(fact)

    def inside(parts: tuple[str, Fact, str]) -> tuple[str, object]:
        before, fact, after = parts
        quoted = [json.dumps(text).replace("$", "$$")[1:-1] for text in (before, after)]
        value = before + plain(facts.get(fact)) + after
        return f'"{quoted[0]}${fact}${quoted[1]}"', value

    def listed(items: list[tuple[str, object]]) -> tuple[str, object]:
        return f"[{' , '.join(text for text, _ in items)}]", [v for _, v in items]

    def mapped(items: list[tuple[str, object]]) -> tuple[str, object]:
        texts = (f'"k{n}":{text}' for n, (text, _) in enumerate(items))
        values = {f"k{n}": value for n, (_, value) in enumerate(items)}
        return "{" + ",\n".join(texts) + "}", values

    facts_ = st.sampled_from(Fact)
    leaves = facts_.map(outside) | st.tuples(TEXTS, facts_, TEXTS).map(inside)
    inner = st.recursive(
        leaves,
        lambda each: st.lists(each).map(listed) | st.lists(each).map(mapped),
        max_leaves=8,
    )
    return st.lists(inner).map(listed) | st.lists(inner).map(mapped)


@given(data=st.data(), facts=FACTS)
def test_every_fact_stays_where_the_template_put_it(
    data: st.DataObject, facts: dict[Fact, Scalar]
) -> None:
    text, expected = data.draw(with_placeholders(facts))

    assert filled(text, facts) == expected


PIECES = st.sampled_from(
    [*'{}[]":,\\$ u0', "$VALUE$", "$UNIT$", '"a":', "null", "1", "\\u00", '"']
)


@given(
    text=st.tuples(st.sampled_from("{["), st.lists(PIECES).map("".join)).map("".join),
    facts=FACTS,
)
def test_whatever_counts_as_json_is_json_once_it_is_filled(
    text: str, facts: dict[Fact, Scalar]
) -> None:
    template = parse_json_template(text)

    if template is not None:
        json.loads(template.fill(facts))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"v": $VALUE$}', {"v": 21.5}),
        ('{"v": "$VALUE$"}', {"v": "21.5"}),
        ('{"v": $UNIT$}', {"v": None}),
        ('{"v": "$UNIT$"}', {"v": ""}),
        ('{"on": $DEVICE$}', {"on": 'a"b'}),
        ('[$VALUE$, "$$", "$DEVICE$ $VALUE$"]', [21.5, "$", 'a"b 21.5']),
        (' \n{"$DEVICE$": 1}', {'a"b': 1}),
        ('{"\\"$DEVICE$\\"": 1}', {'"a"b"': 1}),
        ('["\\\\$DEVICE$"]', ['\\a"b']),
        ("{}", {}),
    ],
)
def test_a_json_template_is_filled(text: str, expected: object) -> None:
    assert filled(text, {Fact.VALUE: 21.5, Fact.DEVICE: 'a"b'}) == expected


@pytest.mark.parametrize(
    "text",
    [
        "$VALUE$",
        '"$VALUE$"',
        "{$VALUE$: 1}",
        "[1$VALUE$]",
        "[$VALUE$$UNIT$]",
        "[tr$VALUE$]",
        "[-$VALUE$]",
        "[NaN, $VALUE$]",
        '["\\$VALUE$"]',
        '["\\u00$VALUE$"]',
        '["\\u00$VALUE$41"]',
        '{"a": "$VALUE$}',
        '{"a": 1} {"b": $VALUE$}',
        "{{ $VALUE$ }}",
        "[" * 100_000,
        "\ufeff{}",
    ],
    ids=lambda text: text[:20],
)
def test_every_other_template_is_text(text: str) -> None:
    assert parse_json_template(text) is None


def test_a_placeholder_in_a_key_is_known() -> None:
    in_key = parse_json_template('{"a": {"x $UNIT$": 1}}')
    in_value = parse_json_template('{"a": ["$UNIT$", {"b": $UNIT$}]}')

    assert in_key is not None
    assert fills_a_key(in_key)
    assert in_value is not None
    assert not fills_a_key(in_value)


def test_a_key_that_stands_twice_is_seen_at_any_depth() -> None:
    assert has_distinct_keys('{"a": {"a": 1}, "b": [{"a": 1}, {"a": 2}]}')
    assert not has_distinct_keys('{"b": [{"a": 1, "\\u0061": 2}]}')


def test_what_only_looks_like_a_placeholder_is_known_in_json_too() -> None:
    template = parse_json_template('{"v": "$OWNER$"}')

    assert template is not None
    assert template.unknown == {"OWNER"}
    assert Template.parse('{"v": "$OWNER$"}').unknown == {"OWNER"}


@given(text=TEXTS)
def test_json_is_as_short_as_sqs_takes_it(text: str) -> None:
    written = json_text(text)

    assert json.loads(written) == text
    assert not set(written) & {"\ufffe", "\uffff"}
    assert len(written.encode()) <= len(json.dumps(text))
