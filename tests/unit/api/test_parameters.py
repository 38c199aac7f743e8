"""Parameters: our own lists read each name once, and refuse what they do not have."""

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.api.parameters import Parameters, parse_parameters
from keyrelay.model.documents import InvalidDefinition

NAMES = ("after", "amount", "since", "state")


def test_each_parameter_is_read_as_what_it_is() -> None:
    asked = parse_parameters(
        b"after=a%2Bb&amount=50&since=2030-01-31T12:00:00Z&state=waiting",
        NAMES,
    )

    assert asked.text("after") == "a+b"
    assert asked.number("amount", most=100) == 50
    assert asked.instant("since") == datetime(2030, 1, 31, 12, tzinfo=UTC)
    assert asked.choice("state", ("waiting", "leased")) == "waiting"


def test_what_is_not_given_is_none() -> None:
    asked = parse_parameters("", NAMES)

    assert asked == Parameters({})
    assert asked.text("after") is None
    assert asked.number("amount", most=100) is None
    assert asked.instant("since") is None
    assert asked.choice("state", ()) is None


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        ("amount=1&amount=1", "amount must be given once"),
        ("until=x", "parameters after, amount, since, state"),
        ("state[]=x", "parameters after, amount, since, state"),
    ],
)
def test_what_repeats_or_is_unknown_is_refused(sent: str, why: str) -> None:
    with pytest.raises(InvalidDefinition, match=why):
        parse_parameters(sent, NAMES)


def test_what_takes_no_parameters_says_so() -> None:
    with pytest.raises(InvalidDefinition, match="this takes no parameters"):
        parse_parameters("x=1", ())


@pytest.mark.parametrize("value", ["", "x" * 1001, "-1", "0", "101"])
def test_a_value_of_another_kind_is_refused(value: str) -> None:
    asked = parse_parameters(f"amount={value}&since={value}&state={value}", NAMES)

    with pytest.raises(InvalidDefinition, match="amount must be a whole number"):
        asked.number("amount", most=100)
    with pytest.raises(InvalidDefinition, match="since must"):
        asked.instant("since")
    with pytest.raises(InvalidDefinition, match="state must be one of waiting, leased"):
        asked.choice("state", ("waiting", "leased"))


@pytest.mark.parametrize("value", ["", "x" * 1001])
def test_a_text_is_bounded(value: str) -> None:
    with pytest.raises(InvalidDefinition, match="after must have 1 to 1000"):
        parse_parameters(f"after={value}", NAMES).text("after")


@given(st.binary() | st.text())
def test_any_parameters_are_read_or_refused(sent: bytes | str) -> None:
    with suppress(InvalidDefinition):
        parse_parameters(sent, NAMES)
