import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.tags import Tag, parse_tags, tags_document

WORDS = st.text("abcXYZ0129é-", min_size=1, max_size=5)
PAIRS = st.lists(st.tuples(WORDS, WORDS), max_size=30, unique_by=lambda p: p[0].lower())


def document(count: int) -> list[dict[str, str]]:
    return [{"key": f"k{n}", "value": "v"} for n in range(count)]


@given(pairs=PAIRS)
def test_tags_are_written_and_read_in_their_order(pairs: list[tuple[str, str]]) -> None:
    tags = tuple(Tag(key, value) for key, value in pairs)

    assert parse_tags(tags_document(tags)) == tags


def test_30_tags_are_kept_and_31_refused() -> None:
    assert len(parse_tags(document(30))) == 30

    with pytest.raises(InvalidDefinition, match="tags must have at most 30 entries"):
        parse_tags(document(31))


@pytest.mark.parametrize("key", ["site", "Site", "SITE"])
def test_no_two_keys_differ_by_case_alone(key: str) -> None:
    tags = [{"key": "site", "value": "a"}, {"key": key, "value": "b"}]

    with pytest.raises(InvalidDefinition, match="same key twice"):
        parse_tags(tags)


def test_two_keys_may_have_the_same_value() -> None:
    tags = [{"key": "a", "value": "v"}, {"key": "b", "value": "v"}]

    assert parse_tags(tags) == (Tag("a", "v"), Tag("b", "v"))


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(None, id="null"),
        pytest.param({}, id="an object"),
        pytest.param("a", id="a string"),
        pytest.param(["a"], id="strings"),
        pytest.param([{"key": "a"}], id="no value"),
        pytest.param([{"value": "a"}], id="no key"),
        pytest.param([{"key": "a", "value": 1}], id="a number"),
        pytest.param([{"key": "", "value": "v"}], id="an empty key"),
        pytest.param([{"key": "a", "value": ""}], id="an empty value"),
        pytest.param([{"key": "a" * 101, "value": "v"}], id="a long key"),
        pytest.param([{"key": "a", "value": "v" * 101}], id="a long value"),
        pytest.param([{"key": "a ", "value": "v"}], id="a space at the end"),
        pytest.param([{"key": "a", "value": "v\u200b"}], id="a zero-width space"),
        pytest.param([{"key": "a", "value": "v", "x": 1}], id="an unknown field"),
    ],
)
def test_malformed_tags_are_refused(value: object) -> None:
    with pytest.raises(InvalidDefinition, match="tag"):
        parse_tags(value)


@given(
    value=st.recursive(st.none() | st.text(), st.lists)
    | st.lists(
        st.dictionaries(st.sampled_from(["key", "value", "x"]), st.text() | st.none())
    )
)
def test_any_input_is_read_or_refused(value: object) -> None:
    try:
        tags = parse_tags(value)
    except InvalidDefinition:
        return
    assert tags_document(tags) == value


@pytest.mark.parametrize(
    "text",
    [
        "\u0430dmin",  # Cyrillic
        "\u03bfps",  # Greek
        "ad\u0501in",  # Cyrillic
        "s\u0455",  # Cyrillic
        "\u0561bc",  # Armenian
        "\u13aabc",  # Cherokee
        "k\u03a9",
        "\u30c7\u30fc\u30bf \u0434\u0430\u0442\u0430",  # Japanese beside Cyrillic
        "\u5317\uac00\u3105",  # Korean beside Bopomofo
        "1\u09ea",  # a Bengali four, which looks like an eight
        "\u0661\u06f1",  # two Arabic systems
    ],
)
def test_a_tag_of_two_scripts_is_refused(text: str) -> None:
    for tag in ({"key": text, "value": "v"}, {"key": "k", "value": text}):
        with pytest.raises(InvalidDefinition, match="must be written in one script"):
            parse_tags([tag])


@pytest.mark.parametrize(
    "text",
    [
        "K\u00fche 2 (S\u00fcd)",
        "\u0441\u043a\u043b\u0430\u0434-1",
        "\u0391\u03b8\u03ae\u03bd\u03b1",
        "\u6771\u4eac\u30bf\u30ef\u30fc",
        "\u6771\u4eac A-1",
        "\uc11c\uc6b8 north",
        "\u0967\u0968 \u0905",
        "\u0e01\u0e23\u0e38\u0e07",
        "21 \u00b0C \u20ac",
    ],
)
def test_a_tag_may_be_in_any_script(text: str) -> None:
    assert parse_tags([{"key": text, "value": text}]) == (Tag(text, text),)


@given(
    latin=st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=5),
    other=st.sampled_from(
        [*map(chr, range(0x0430, 0x0450)), *map(chr, range(0x03B1, 0x03C2))]
    ),
    at=st.integers(0, 5),
)
def test_one_letter_of_another_alphabet_is_found(
    latin: str, other: str, at: int
) -> None:
    text = latin[:at] + other + latin[at:]

    with pytest.raises(InvalidDefinition, match="one script"):
        parse_tags([{"key": text, "value": "v"}])
