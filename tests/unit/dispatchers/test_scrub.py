import base64
import json
import pickle
from collections.abc import Callable, Collection
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.dispatchers.scrub import LONGEST, Scrubber

USER = "ada@example.com"
PASSWORD = 'hunter2/+é"<&'
VALUES = (USER, PASSWORD)


def scrub(text: str, values: Collection[str]) -> str:
    return Scrubber.of(values)(text)


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


ECHOES = {
    "plain": PASSWORD,
    "base64": base64_of(PASSWORD),
    "base64 for URLs": base64.urlsafe_b64encode(PASSWORD.encode()).decode(),
    "base64 without its end": base64_of(PASSWORD).rstrip("="),
    "SASL PLAIN": base64_of(f"\0{USER}\0{PASSWORD}"),
    "SASL PLAIN with an identity": base64_of(f"{USER}\0{USER}\0{PASSWORD}"),
    "SASL PLAIN of another user": base64_of(f"\0eve\0{PASSWORD}"),
    "URL-encoded": quote(PASSWORD),
    "URL-encoded with slashes": quote(PASSWORD, safe=""),
    "URL-encoded in small letters": "hunter2%2f%2b%c3%a9%22%3c%26",
    "form-encoded": quote_plus(PASSWORD),
    "JSON": json.dumps({"password": PASSWORD}),
    "JSON beyond ASCII": json.dumps({"password": PASSWORD}, ensure_ascii=False),
    "JSON with its slashes escaped": json.dumps(PASSWORD).replace("/", "\\/"),
    "HTML": "hunter2/+é&quot;&lt;&amp;",
    "cut by invisible characters": 'hunt\u200ber2\u202e/+é\u2066"<&',
    "the user": USER,
    "the user in base64": base64_of(USER),
}


def test_a_short_value_hides_no_longer_one_in_base64() -> None:
    password = "correct-horse-battery-staple"

    scrubbed = scrub(base64_of(password), ("c", password))

    assert base64_of(password)[8:20] not in scrubbed


@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
def test_no_encoding_of_a_value_stays(echo: str) -> None:
    scrubbed = scrub(f"refused: {echo} is wrong", VALUES)

    assert scrubbed.startswith("refused: ")
    assert scrubbed.endswith(" is wrong")
    for form in (PASSWORD, "hunt", quote("é"), USER, base64_of("hunter")[:7]):
        assert form not in scrubbed


@pytest.mark.parametrize("case", [str.upper, str.lower, str.swapcase, str.title])
@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
def test_no_encoding_of_a_value_stays_in_another_letter_case(
    echo: str, case: Callable[[str], str]
) -> None:
    scrubbed = scrub(f"refused: {case(echo)} is wrong", VALUES)

    assert scrubbed.startswith("refused: ")
    assert scrubbed.endswith(" is wrong")
    assert "hunt" not in scrubbed.lower()
    assert base64_of("hunter")[:7].lower() not in scrubbed.lower()


@given(value=st.text(st.characters(categories=["L", "N"]), min_size=1))
def test_a_value_is_found_in_any_letter_case(value: str) -> None:
    for case in (str.lower, str.upper, str.swapcase, str.casefold):
        text = case(value)
        if text.lower() == value.lower():  # some letters have no way back
            assert scrub(f"- {text} -", [value]) == "- *** -"


def test_a_mask_stands_where_the_value_stood_behind_letters_that_grow() -> None:
    # In small letters the first has two characters.
    assert scrub("\u0130\u0130 Hunter2 end", ["hunter2"]) == "\u0130\u0130 *** end"


@given(
    before=st.binary(max_size=9),
    after=st.binary(max_size=9),
    value=st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=8),
)
def test_a_value_is_found_anywhere_inside_of_base64(
    before: bytes, after: bytes, value: str
) -> None:
    echo = base64.b64encode(before + value.encode() + after).decode()

    assert scrub(f"535 {echo} no", [value]) == "535 *** no"


@pytest.mark.parametrize("password", ["a", "ab", "abc"])
def test_a_very_short_value_does_not_stay_in_sasl_plain(password: str) -> None:
    echo = base64_of(f"\0{USER}\0{password}")

    assert scrub(f"({echo})", [USER, password]) == "(***)"


def test_a_value_inside_of_another_does_not_spare_its_rest() -> None:
    assert scrub("swordfish", ["sword", "swordfish"]) == "***"


def test_every_occurrence_is_masked() -> None:
    echo = base64_of(PASSWORD)

    assert scrub(f"{echo} {PASSWORD} {echo} {PASSWORD}", VALUES) == "*** *** *** ***"


def test_what_masks_a_value_shows_and_hands_out_nothing() -> None:
    scrubber = Scrubber.of(["hunter2"])

    assert "hunter" not in repr(scrubber)
    with pytest.raises(TypeError):
        pickle.dumps(scrubber)


def test_values_that_overlap_leave_nothing_between_them() -> None:
    assert scrub("an abcabcab end", ["abcab"]) == "an *** end"


def test_an_empty_value_matches_nothing() -> None:
    assert (
        scrub("250 2.0.0 Ok: queued as 42", ["", "x1"]) == "250 2.0.0 Ok: queued as 42"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("two\r\nlines", "two  lines"),
        ("a\x1b[31mred", "a [31mred"),
        ("c1\x85next", "c1 next"),
        ("line\u2028end\u2029", "line end"),
        ("to\u202eknil", "toknil"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("latin-\udce9", "latin-?"),
        ("plain é 漢 text", "plain é 漢 text"),
    ],
)
def test_invisible_characters_are_removed(text: str, expected: str) -> None:
    assert scrub(text, []) == expected


def test_a_long_text_is_cut() -> None:
    scrubbed = scrub("x" * 1000, [])

    assert len(scrubbed) == LONGEST
    assert scrubbed.endswith("x…")
    assert scrub("x" * LONGEST, []) == "x" * LONGEST


@pytest.mark.parametrize("at", range(LONGEST - len("hunter2"), LONGEST))
def test_a_value_on_the_edge_of_the_cut_leaves_no_beginning(at: int) -> None:
    assert "h" not in scrub("x" * at + "hunter2" + "x" * 50, ["hunter2"])


@given(st.text(), st.lists(st.text(st.characters(codec="utf-8"), max_size=20)))
def test_any_text_comes_back_printable_and_short(text: str, values: list[str]) -> None:
    scrubbed = scrub(text, values)

    assert len(scrubbed) <= LONGEST
    assert "\n" not in scrubbed
    scrubbed.encode()
