import pytest

from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.policy.pattern import (
    OfKind,
    Pattern,
    WithId,
    WithTag,
    WithTargetsTag,
    parse_pattern,
    patterns_of,
    words,
)
from keyrelay.model.tags import Tag, Tagged

ID = "65f0c0ffee65f0c0ffee0001"
KINDS = {"secrets": "secrets", "secret": "secrets"}

READ = [
    pytest.param(["secrets"], OfKind("secrets"), id="kind"),
    pytest.param(["secrets", "id", ID], WithId("secrets", ID), id="id"),
    pytest.param(
        ["secrets", "tag.key", "env", "tag.value", "prod"],
        WithTag("secrets", Tag("env", "prod")),
        id="tag",
    ),
    pytest.param(
        ["secrets", "tag_match", "site"],
        WithTargetsTag("secrets", "site"),
        id="tag match",
    ),
]


@pytest.mark.parametrize(("document", "pattern"), READ)
def test_each_tuple_reads_as_its_pattern(document: object, pattern: Pattern) -> None:
    assert parse_pattern(document, KINDS, "resource") == pattern


@pytest.mark.parametrize(("document", "pattern"), READ)
def test_a_pattern_is_written_as_it_was_read(
    document: list[str], pattern: Pattern
) -> None:
    assert list(words(pattern)) == document


def test_another_spelling_of_a_kind_means_the_kind() -> None:
    assert parse_pattern(["secret"], KINDS, "resource") == OfKind("secrets")


KIND = 'resource must begin with "secrets"'
SHAPE = r'resource must be \["secrets"\], .* or \["secrets", "tag_match", key\]'
KEY = "the tag's key in resource must"
VALUE = "the tag's value in resource must"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        pytest.param("secrets", "resource must be a list", id="no list"),
        pytest.param(None, "resource must be a list", id="missing"),
        pytest.param([], KIND, id="empty"),
        pytest.param(["device"], KIND, id="unknown kind"),
        pytest.param(["Secrets"], KIND, id="kind in another case"),
        pytest.param([["secrets"]], KIND, id="list of tuples"),
        pytest.param([3], KIND, id="number"),
        pytest.param(["secrets", "id"], SHAPE, id="id without id"),
        pytest.param(["secrets", "*"], SHAPE, id="star"),
        pytest.param(["secrets", "tag.key", "env"], SHAPE, id="key without value"),
        pytest.param(["secrets", "tag.value", "prod"], SHAPE, id="value without key"),
        pytest.param(
            ["secrets", "tag.value", "prod", "tag.key", "env"], SHAPE, id="reversed"
        ),
        pytest.param(["secrets", "tag_match", "a", "b"], SHAPE, id="one word more"),
        pytest.param(["secrets"] * 6, "at most 5 entries", id="too long"),
        pytest.param(["secrets", "id", "x"], "24-character id", id="short id"),
        pytest.param(["secrets", "id", ID.upper()], "24-character id", id="upper case"),
        pytest.param(["secrets", "id", 7], "24-character id", id="number for an id"),
        pytest.param(["secrets", "tag_match", ""], KEY, id="empty key"),
        pytest.param(["secrets", "tag_match", "si te\u200b"], KEY, id="zero width"),
        pytest.param(["secrets", "tag_match", "\uff53ite"], KEY, id="full width"),
        pytest.param(
            ["secrets", "tag.key", "env", "tag.value", " prod"],
            "the tag.s value in resource has",
            id="space",
        ),
        pytest.param(
            ["secrets", "tag.key", "env", "tag.value", None], VALUE, id="no text"
        ),
    ],
)
def test_a_malformed_tuple_is_refused(document: object, message: str) -> None:
    with pytest.raises(InvalidDefinition, match=message):
        parse_pattern(document, KINDS, "resource")


def thing(kind: str, *tags: Tag) -> Tagged:
    return Tagged(kind=kind, profile="p", id=ID, tags=tags)


def test_a_target_has_its_own_value_for_each_of_its_keys() -> None:
    target = thing("action", Tag("site", "north"))

    assert WithTargetsTag("action", "site") in patterns_of(target, target)


@pytest.mark.parametrize(
    ("value", "is_matched"),
    [("north", True), ("south", False), ("North", False)],
)
def test_a_resource_matches_by_the_targets_value_alone(
    value: str, *, is_matched: bool
) -> None:
    target = thing("action", Tag("site", "north"))
    resource = thing("secrets", Tag("site", value))

    found = patterns_of(resource, target)

    assert (WithTargetsTag("secrets", "site") in found) is is_matched
