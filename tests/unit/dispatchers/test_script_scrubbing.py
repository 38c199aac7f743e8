"""Scrubbing of lines: no value comes out, in any form, and all else does."""

import base64
import json
import pickle
import re
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.dispatchers.script.output import split
from keyrelay.dispatchers.script.scrubbing import (
    EXPOSED,
    SHORTEST,
    LineScrubber,
    parts_of,
)

VALUE = 'hunter2/+é"<&~ 漢!'
KEY = "\n".join(
    [
        "-----BEGIN PRIVATE KEY-----",
        *[base64.b64encode(bytes([n] * 48)).decode() for n in range(7, 12)],
        "c2hvcnQ=",
        "-----END PRIVATE KEY-----",
        "",
    ]
)


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def in_small(encoded: str) -> str:
    """Return what a URL has, with its hexadecimal digits in small letters."""
    return re.sub("%..", lambda found: found[0].lower(), encoded)


FORMS: Mapping[str, Callable[[str], str]] = {
    "plain": str,
    "base64": base64_of,
    "base64, one character on": lambda text: base64_of(f"x{text}yy"),
    "base64, two characters on": lambda text: base64_of(f"xx{text}y"),
    "base64 of a login": lambda text: base64_of(f"ada:{text}"),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "base64 in lines": lambda text: base64.encodebytes(text.encode() * 3).decode(),
    "URL": lambda text: quote(text, safe=""),
    "URL in small letters": lambda text: in_small(quote(text, safe="")),
    "URL with slashes": quote,
    "URL as JavaScript writes a component": lambda text: quote(text, safe="!'()*"),
    "form": quote_plus,
    "JSON": json.dumps,
    "JSON beyond ASCII": lambda text: json.dumps(text, ensure_ascii=False),
    "JSON with its slashes escaped": lambda t: json.dumps(t).replace("/", "\\/"),
    "JSON in JSON": lambda text: json.dumps(json.dumps({"password": text})),
    "Python": repr,
}

values = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]),
    min_size=SHORTEST,
    max_size=40,
)


def scrubbed(lines: Sequence[str], *given: str) -> list[str]:
    scrubber = LineScrubber.of(given)
    told = [text for line in lines for text in scrubber.take(line)]
    return [*told, *scrubber.finish()]


def cut(text: str, places: Sequence[int]) -> list[str]:
    """Return the text in pieces, which end there."""
    ends = sorted({min(place, len(text)) for place in places} | {len(text)})
    return [text[a:b] for a, b in zip([0, *ends], ends, strict=False)]


@pytest.mark.parametrize("value", [VALUE, KEY, "12345678"], ids=["text", "PEM", "8"])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_no_form_of_a_value_comes_out(form: Callable[[str], str], value: str) -> None:
    lines = f"before {form(value)} behind".split("\n")

    told = scrubbed(lines, value)

    text = "".join(told)
    assert (text[:7], text[-7:]) == ("before ", " behind")
    for piece in ("hunter", base64_of("hunter")[:7], "5678", KEY[40:56]):
        assert piece not in text


@given(
    value=values,
    form=st.sampled_from(sorted(FORMS)),
    around=st.tuples(st.text(max_size=20), st.text(max_size=20)),
    places=st.lists(st.integers(0, 200), max_size=30),
)
def test_a_value_comes_out_of_no_place_and_no_split(
    value: str, form: str, around: tuple[str, str], places: Sequence[int]
) -> None:
    written = FORMS[form](value)
    lines = "\n".join(cut(around[0] + written + around[1], places)).split("\n")

    text = "".join(scrubbed(lines, value))

    assert "***" in text
    assert value not in text
    assert written.strip("'\"").replace("\n", "") not in text


@given(
    values=st.lists(st.text("ab", min_size=SHORTEST, max_size=20), max_size=4),
    lines=st.lists(st.text("ab ", max_size=30), max_size=10),
)
def test_only_values_are_missing(values: Sequence[str], lines: Sequence[str]) -> None:
    """The rule, in the simple way: all at once, every place of every value."""
    text, bounds = "".join(lines), [0]
    hidden = set[int]()
    for value in values:
        for at in range(len(text)):
            # What is cut short at the very end is masked, too.
            piece = text[at : at + len(value)]
            is_whole = len(piece) == len(value) or at + len(piece) == len(text)
            if is_whole and len(piece) >= SHORTEST and value.startswith(piece):
                hidden |= {*range(at, at + len(piece))}
    for line in lines:
        bounds.append(bounds[-1] + len(line))

    told = scrubbed(lines, *values)

    shown = "".join(each for at, each in enumerate(text) if at not in hidden)
    # Up to three characters of each line's end may have been shown before.
    left = "".join(told).replace("***", "")
    assert len(shown) <= len(left) <= len(shown) + EXPOSED * len(lines)
    if not hidden:
        assert told == [*lines]
    for value in values:
        assert value not in "".join(told)


@given(st.lists(st.text("0123456789 .", max_size=40)))
def test_lines_without_a_value_come_out_as_they_are(lines: Sequence[str]) -> None:
    assert scrubbed(lines, VALUE, KEY, "swordfish") == [*lines]


@given(st.lists(st.text(max_size=40)))
def test_without_values_each_line_comes_out_at_once(lines: Sequence[str]) -> None:
    scrubber = LineScrubber.of([])

    assert [[*scrubber.take(line)] for line in lines] == [[line] for line in lines]


def test_a_line_comes_out_at_once_though_it_may_begin_a_value() -> None:
    scrubber = LineScrubber.of(["swordfish"])

    assert scrubber.take("this is") == ["this is"]
    assert scrubber.take("so we wait: swo") == ["so we wait: swo"]
    assert scrubber.take("rd and more") == ["rd and more"]
    # One more character, and it is held until it is known.
    assert scrubber.take("so we wait: swor") == []
    assert scrubber.take("n enemies") == ["so we wait: swor", "n enemies"]


def test_a_value_over_lines_leaves_one_mask_and_no_more_than_three_characters() -> None:
    lines = ["a sword", "", "fish", "b", "sw", "ordfish", *"swordfish", "c"]

    told = scrubbed(lines, "swordfish")

    assert told == ["a ***", "b", "sw", "***", "s", "w", "o", "***", "c"]


def test_a_key_is_one_mask_and_its_lines_are_masked_alone() -> None:
    printed = [f"key: {KEY}".split("\n"), [f"  {KEY.splitlines()[1]} +"]]

    told = [scrubbed(lines, KEY) for lines in printed]

    assert told == [["key: ***", ""], ["  *** +"]]


def test_other_keys_are_shown() -> None:
    other = ["-----BEGIN PRIVATE KEY-----", "b3RoZXI=", "-----END PRIVATE KEY-----"]

    assert scrubbed(other, KEY) == other


def test_a_value_that_is_printed_twice_is_masked_twice() -> None:
    assert scrubbed(["swordfish", "swordfish"], "swordfish") == ["***", "***"]
    assert scrubbed(["swordfishswordfish"], "swordfish") == ["***"]


def test_values_that_overlap_leave_nothing_between_them() -> None:
    told = scrubbed(["-12345678abcdefgh-"], "12345678abcd", "5678abcdefgh")

    assert told == ["-***-"]


def test_the_beginning_of_a_longer_value_is_masked_as_well() -> None:
    assert scrubbed(["swordfish2 swordfishes"], "swordfish", "swordfish2") == [
        "*** ***es"
    ]


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_lines_of_any_system_are_scrubbed(ending: str) -> None:
    value = f"first line{ending}second line"
    lines = [line.removesuffix("\r") for line in value.split("\n")]

    assert scrubbed(lines, value) == ["***"]


def test_a_value_that_the_end_cut_short_is_masked() -> None:
    assert scrubbed(["it is swordfis"], "swordfish") == ["it is ***"]
    assert scrubbed(["it is swordfi"], "swordfish") == ["it is swordfi"]


def test_shorter_values_are_shown() -> None:
    assert scrubbed(["hunter2 and"], "hunter2") == ["hunter2 and"]


def test_a_value_that_the_limit_breaks_is_masked() -> None:
    value = "漢字" * 20
    for before in range(100, 130):
        whole, pending = split(b"x" * before + value.encode() + b"\n", 128)
        assert pending == b""

        told = scrubbed([line.decode() for line in whole], value)

        shown = "".join(told).strip("x")
        assert shown in [f"{value[:n]}***" for n in range(EXPOSED + 1)]


def test_what_no_database_takes_of_a_value_is_masked_as_it_is_printed() -> None:
    printed = "half \N{REPLACEMENT CHARACTER} nul \N{REPLACEMENT CHARACTER} !"

    assert scrubbed([printed], "half \ud800 nul \0 !") == ["***"]


def test_the_fields_of_a_structured_secret_are_values_too() -> None:
    fields = {
        "smtp_server": "mail.example.com",
        "smtp_port": 587,
        "password": "correct horse",
        "more": [{"token": "battery staple"}],
    }
    value = json.dumps(fields)

    assert [*parts_of(value)] == [value, "correct horse", "battery staple"]
    assert [*parts_of("no JSON")] == ["no JSON"]
    assert [*parts_of("[" * 5000)] == ["[" * 5000]


def test_little_is_kept_however_long_it_takes() -> None:
    scrubber = LineScrubber.of(["a" * 2000, KEY])

    for _ in range(5000):
        scrubber.take("aaa")
        assert len(scrubber._text) <= 2003


def test_what_masks_a_value_shows_and_hands_out_nothing() -> None:
    scrubber = LineScrubber.of(["swordfish"])

    assert "sword" not in repr(scrubber)
    with pytest.raises(TypeError):
        pickle.dumps(scrubber)
