from datetime import UTC, datetime, timedelta

import pytest

from keyrelay.model.ids import is_beginning, is_id, made_at, new_id
from tests.samples import NOON


def test_an_id_is_24_hexadecimal_digits() -> None:
    assert is_id(new_id(NOON))


def test_no_two_ids_are_the_same() -> None:
    assert len({new_id(NOON) for _ in range(1000)}) == 1000


def test_ids_sort_by_the_second_of_their_making() -> None:
    seconds = [NOON + timedelta(seconds=n) for n in range(50)]

    ids = [new_id(second) for second in seconds]

    assert ids == sorted(ids)
    assert datetime.fromtimestamp(int(ids[0][:8], 16), UTC) == NOON


def test_an_id_tells_the_second_of_its_making() -> None:
    made = NOON + timedelta(seconds=3, microseconds=7)

    assert made_at(new_id(made)) == NOON + timedelta(seconds=3)


def test_what_is_no_id_tells_none() -> None:
    with pytest.raises(ValueError, match="no id"):
        made_at("tomorrow")


@pytest.mark.parametrize(
    "value",
    ["", "a" * 23, "a" * 25, "g" * 24, "A" * 24, "a" * 24 + "\n", "٣" * 24, None, 1],
)
def test_nothing_else_is_an_id(value: object) -> None:
    assert not is_id(value)


@pytest.mark.parametrize("text", ["6745", "a" * 23])
def test_four_digits_or_more_of_an_id_are_a_beginning(text: str) -> None:
    assert is_beginning(text)


@pytest.mark.parametrize(
    "text", ["", "674", "a" * 24, "674G", "ABCD", "6745\n", "٣" * 8]
)
def test_nothing_else_is_a_beginning(text: str) -> None:
    assert not is_beginning(text)
