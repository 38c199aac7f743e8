import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.model.templates import (
    Fact,
    Facts,
    Scalar,
    Template,
    plain,
    remarks_on,
)

FACTS: Facts = {fact: f"<{fact.value.lower()}>" for fact in Fact}
# Mostly made of what could be mistaken for a placeholder.
TEXTS = st.lists(
    st.sampled_from(["$", "$$", "VALUE", "DEVICE", ".NAME", "$VALUE$", "a", "\n"])
).map("".join)
SCALARS = st.one_of(st.text(), st.integers(), st.floats(allow_nan=False), st.booleans())
KNOWN = st.dictionaries(st.sampled_from(Fact), SCALARS)


def plainly_filled(text: str, facts: Facts) -> str:
    """Fill without any cleverness: look at what stands here, go on behind it."""
    filled = ""
    while text:
        for marker, value in [("$$", "$")] + [
            (f"${f}$", plain(facts.get(f))) for f in Fact
        ]:
            if text.startswith(marker):
                filled, text = filled + value, text.removeprefix(marker)
                break
        else:
            filled, text = filled + text[0], text[1:]
    return filled


@pytest.mark.parametrize("fact", Fact)
def test_each_placeholder_is_filled_with_its_fact(fact: Fact) -> None:
    assert Template.parse(f"a ${fact.value}$ b").fill(FACTS) == f"a {FACTS[fact]} b"


def test_the_published_placeholders_are_known() -> None:
    published = "VARIABLE VALUE UNIT TIME LOCATION DEVICE DEVICE.NAME ACTION.STATE"

    assert {fact.value for fact in Fact} == set(published.split())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain", "plain"),
        ("$$", "$"),
        ("$", "$"),
        ("costs $5 and $6", "costs $5 and $6"),
        ("$$VALUE$$", "$VALUE$"),
        ("$VALUE$VALUE$", "<value>VALUE$"),
        ("$VALUE$$UNIT$", "<value><unit>"),
        ("$DEVICE$ $DEVICE.NAME$", "<device> <device.name>"),
        ("$DEVICE.OWNER$", "$DEVICE.OWNER$"),
        ("$value$", "$value$"),
        ("$VALUE", "$VALUE"),
        ("$ VALUE$", "$ VALUE$"),
    ],
)
def test_a_text_is_filled(text: str, expected: str) -> None:
    assert Template.parse(text).fill(FACTS) == expected


@given(text=TEXTS, facts=KNOWN)
def test_filling_agrees_with_a_plain_implementation(text: str, facts: Facts) -> None:
    assert Template.parse(text).fill(facts) == plainly_filled(text, facts)


@given(text=st.text())
def test_any_text_can_be_written_by_doubling_its_dollars(text: str) -> None:
    assert Template.parse(text.replace("$", "$$")).fill({}) == text


@given(value=st.text())
def test_placeholders_in_a_fact_are_not_filled(value: str) -> None:
    facts = {Fact.VALUE: f"$UNIT$$${value}", Fact.UNIT: "never"}

    assert Template.parse("$VALUE$").fill(facts) == f"$UNIT$$${value}"


def test_facts_are_escaped_and_literal_text_is_not() -> None:
    def escaped(value: Scalar | None) -> str:
        return html.escape(plain(value))

    template = Template.parse("<b>$VALUE$</b> $$", escaped)

    filled = template.fill({Fact.VALUE: "<script>"})

    assert filled == "<b>&lt;script&gt;</b> $"


@given(text=TEXTS, facts=KNOWN)
def test_the_missing_facts_are_those_left_empty(text: str, facts: Facts) -> None:
    template = Template.parse(text)

    missing = template.mentions - facts.keys()

    filled = template.fill(dict.fromkeys(missing, "x") | dict(facts))
    assert bool(missing) == (filled != template.fill(facts))
    assert not missing & set(facts)


@given(text=TEXTS | st.text(), facts=KNOWN)
def test_a_size_is_known_before_the_text_is_made(text: str, facts: Facts) -> None:
    template = Template.parse(text)

    size, filled = template.size(facts), template.fill(facts)

    empty = sum(
        count
        for placeholder, count in template.counts
        if not placeholder.render(facts.get(placeholder.fact))
    )
    assert size == len(filled.encode()) + empty


def test_a_text_that_would_not_fit_in_memory_is_measured_at_once() -> None:
    template = Template.parse("$VALUE$" * 30_000)

    assert template.size({Fact.VALUE: "ü" * 500_000}) == 30_000_000_000


def test_placeholders_without_a_fact_are_not_free() -> None:
    assert Template.parse("$UNIT$" * 30_000).size({}) == 30_000


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("$DEVICE.OWNER$", ["DEVICE.OWNER"]),
        ("$value$ of $VALUE$", ["value"]),
        ("$foo$VALUE$", ["foo"]),
        ("$VALUE$VALUE$ $Time$", ["Time"]),
        ("costs $5 and $6$ $ $", []),
        ("$$owner$$ $VALUE$ $$", []),
        ("$two words$", []),
        ("$ÜBER$", []),
    ],
)
def test_a_name_that_only_looks_like_a_placeholder_is_remarked_on(
    text: str, names: list[str]
) -> None:
    remarks = remarks_on([Template.parse(text), None])

    assert [remark.split("$")[1] for remark in remarks] == names
    assert all(f"${fact}$" in remark for remark in remarks for fact in Fact)
