import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.model.templates import Fact, Facts, Template

FACTS: Facts = {fact: f"<{fact.value.lower()}>" for fact in Fact}
# Mostly made of what could be mistaken for a placeholder.
TEXTS = st.lists(
    st.sampled_from(["$", "$$", "VALUE", "DEVICE", ".NAME", "$VALUE$", "a", "\n"])
).map("".join)
KNOWN = st.dictionaries(st.sampled_from(Fact), st.text())


def plainly_filled(text: str, facts: Facts) -> str:
    """Fill without any cleverness: look at what stands here, go on behind it."""
    filled = ""
    while text:
        for marker, value in [("$$", "$")] + [
            (f"${f}$", facts.get(f, "")) for f in Fact
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
    template = Template.parse("<b>$VALUE$</b> $$")

    filled = template.fill({Fact.VALUE: "<script>"}, html.escape)

    assert filled == "<b>&lt;script&gt;</b> $"


@given(text=TEXTS, facts=KNOWN)
def test_the_missing_facts_are_those_left_empty(text: str, facts: Facts) -> None:
    template = Template.parse(text)

    missing = template.mentions - facts.keys()

    filled = template.fill(dict.fromkeys(missing, "x") | dict(facts))
    assert bool(missing) == (filled != template.fill(facts))
    assert not missing & set(facts)
