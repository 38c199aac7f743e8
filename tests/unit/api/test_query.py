"""Query: both SDKs' encodings are read, and what is no query is refused."""

from collections.abc import Callable
from urllib.parse import quote, urlsplit

import pytest
import requests
from hypothesis import example, given
from hypothesis import strategies as st
from tagoio_sdk.common.tagoio_module import TagoIOModule

from keyrelay.api.query import LONGEST_TEXT, Filter, Query, QueryRules, parse_query
from keyrelay.api.query_string import LONGEST_QUERY, MOST_PAIRS
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.tags import LONGEST_TAG, MOST_TAGS, Tag
from keyrelay.stores.definitions.listing import (
    LAST_PAGE,
    MOST_LISTED,
    Listing,
    Order,
    Page,
)

SECRETS = QueryRules(
    fields=("id", "key", "tags"),
    default_fields=("id", "key"),
    orders=("key",),
    default_order="key",
    filters={"id": Filter.ID, "key": Filter.NAME, "tags": Filter.TAGS},
)
ACTIONS = QueryRules(
    fields=("id", "name", "active", "tags"),
    default_fields=("id", "name"),
    orders=("name", "active", "created_at"),
    default_order="name",
    filters={"name": Filter.NAME, "active": Filter.ACTIVE, "tags": Filter.TAGS},
)
BY_KEY, BY_NAME = Order(by="key"), Order(by="name")


def test_no_query_asks_for_the_first_page_as_tagoio_lists_it() -> None:
    asked = parse_query(b"", SECRETS)

    assert asked == Query(fields=("id", "key"), listing=Listing(order=BY_KEY))
    assert asked.listing.page == Page(1, 20)


# What `@tago-io/sdk` 12.3.1 sent, seen by a server.
JAVASCRIPT = [
    (
        SECRETS,
        "page=1&fields%5B0%5D=id&fields%5B1%5D=key&amount=20&orderBy=key%2Casc",
        Query(fields=("id", "key"), listing=Listing(order=BY_KEY)),
    ),
    (
        SECRETS,
        "page=2&fields%5B0%5D=tags&fields%5B1%5D=id&filter%5Bkey%5D=%2Ax%20y%26z%3D%2B"
        "%25%C3%A9%F0%9F%98%80%2A&filter%5Btags%5D%5B0%5D%5Bkey%5D=k&filter%5Btags%5D"
        "%5B0%5D%5Bvalue%5D=v&filter%5Btags%5D%5B1%5D%5Bkey%5D=a&filter%5Btags%5D%5B1"
        "%5D%5Bvalue%5D=b&amount=3&orderBy=key%2Cdesc",
        Query(
            fields=("id", "tags"),
            listing=Listing(
                page=Page(2, 3),
                order=Order(by="key", descending=True),
                name="*x y&z=+%é😀*",
                tags=(Tag("k", "v"), Tag("a", "b")),
            ),
        ),
    ),
    (
        ACTIONS,
        "page=1&filter%5Bactive%5D=false&amount=20&orderBy=name%2Casc",
        Query(
            fields=("id", "name"),
            listing=Listing(order=BY_NAME, exactly={"active": False}),
        ),
    ),
    (  # half a surrogate, of which its encoder makes a whole one
        ACTIONS,
        "filter%5Bname%5D=%F0%90%81%B8",
        Query(fields=("id", "name"), listing=Listing(order=BY_NAME, name="\U00010078")),
    ),
]


@pytest.mark.parametrize(("rules", "sent", "asked"), JAVASCRIPT)
def test_what_the_javascript_sdk_sends_is_read(
    rules: QueryRules, sent: str, asked: Query
) -> None:
    assert parse_query(sent.encode(), rules) == asked
    assert parse_query(sent, rules) == asked


def as_python_sends(params: dict[str, object]) -> str:
    """Return the query that the official Python SDK makes of a list's parameters."""
    TagoIOModule({"token": "t"})._converter_dict_param_filter(params)
    prepared = requests.PreparedRequest()
    prepared.prepare_url("http://localhost/", params)  # type: ignore[arg-type] # ours are of objects
    return urlsplit(prepared.url or "").query


def test_what_the_python_sdk_sends_is_read() -> None:
    sent = as_python_sends(
        {
            "page": 1,
            "fields": ["id", "key"],
            "filter": {},
            "amount": 20,
            "orderBy": "key,asc",
        }
    )

    assert sent == "page=1&fields=id&fields=key&amount=20&orderBy=key%2Casc"
    assert parse_query(sent, SECRETS) == parse_query("", SECRETS)
    inactive = as_python_sends({"filter": {"active": False, "name": None}})
    assert inactive == "filter%5Bactive%5D=False"
    assert parse_query(inactive, ACTIONS).listing.exactly == {"active": False}


def as_javascript_sends(value: object, name: str = "") -> str:
    """Return what `qs`, which the JavaScript SDK encodes with, makes of parameters."""
    match value:
        case dict():
            inner = [(f"{name}[{key}]" if name else key, v) for key, v in value.items()]
        case list():
            inner = [(f"{name}[{at}]", each) for at, each in enumerate(value)]
        case bool():
            return f"{quote(name)}={str(value).lower()}"
        case _:
            return f"{quote(name)}={quote(str(value), safe='')}"
    return "&".join(filter(None, (as_javascript_sends(v, key) for key, v in inner)))


# Python's encoder refuses surrogates; no name holds NUL.
texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0*"),
    min_size=1,
    max_size=30,
)
listings = st.builds(
    Listing,
    page=st.builds(Page, st.integers(1, 10**9), st.integers(1, 10_000)),
    order=st.builds(
        Order, by=st.sampled_from(ACTIONS.orders), descending=st.booleans()
    ),
    name=st.none() | texts.map(lambda text: f"*{text}*"),
    exactly=st.dictionaries(st.just("active"), st.booleans()),
    tags=st.lists(st.builds(Tag, texts, texts), max_size=30).map(tuple),
)
some_fields = st.lists(st.sampled_from(ACTIONS.fields), min_size=1, unique=True)


def list_parameters(fields: list[str], listing: Listing) -> dict[str, object]:
    """Return the parameters that the `list` of either SDK makes of its query."""
    narrowed: dict[str, object] = {}
    if listing.name is not None:
        narrowed["name"] = listing.name
    narrowed |= listing.exactly
    if listing.tags:
        narrowed["tags"] = [{"key": t.key, "value": t.value} for t in listing.tags]
    direction = "desc" if listing.order.descending else "asc"
    return {
        "page": listing.page.number,
        "fields": fields,
        "filter": narrowed,
        "amount": listing.page.amount,
        "orderBy": f"{listing.order.by},{direction}",
    }


@pytest.mark.parametrize("encode", [as_javascript_sends, as_python_sends])
@given(some_fields, listings)
def test_what_either_sdk_encodes_is_read_back(
    encode: Callable[[dict[str, object]], str], fields: list[str], listing: Listing
) -> None:
    sent = encode(list_parameters(fields, listing))

    assert len(sent) > LONGEST_QUERY or parse_query(sent, ACTIONS) == Query(
        fields=tuple(name for name in ACTIONS.fields if name in fields),
        listing=listing,
    )


NAMES = (
    "page amount fields fields[] fields[0] orderBy filter filter[name] filter[active]"
)
names = st.sampled_from(
    [*NAMES.split(), "filter[tags][0][key]", "filter[tags][0][value]", "filter[tags]"]
)
values = st.sampled_from(
    ["", "1", "0", "-1", "name,asc", "true", "False", "%00", "%", "%ed%a0%80"]
)
pairs = st.tuples(names | st.text(), values | st.text()).map("=".join)
queries = st.lists(pairs, max_size=8).map("&".join)


def refusal_of(sent: bytes | str) -> InvalidDefinition | None:
    try:
        parse_query(sent, ACTIONS)
    except InvalidDefinition as refusal:
        return refusal
    return None


@given(st.binary() | st.text() | queries)
@example("&&=&=&")
@example("filter[][][]=")
def test_any_query_is_read_or_refused(sent: bytes | str) -> None:
    """A refusal repeats nothing of what was sent, nor does what it was raised in."""
    refusal = refusal_of(sent)

    assert refusal is None or str(refusal) in SENTENCES
    assert refusal is None or refusal.__context__ is None


SENTENCES = (
    *("page must be a whole number from 1 to 1000000000",),
    "amount must be a whole number from 1 to 10000",
    "orderBy must be one of name, active, created_at, then a comma, then asc or desc",
    "page, amount, orderBy and each filter are given once at most",
    "a list is asked for with page, amount, fields, orderBy and filter",
    "filter must be one of name, active, tags; tags are a list of keys and values",
    "filter[name] must have 1 to 1000 characters: leave it out to find all",
    "filter[active] must be true or false",
    "filter[tags] must have at most 30 entries",
    "filter[tags] must have a key and a value for each tag, of 1 to 100 characters",
    f"a query must have at most {LONGEST_QUERY} bytes: ask for less at once",
    f"a query must have at most {MOST_PAIRS} parameters: ask for less at once",
    "the query has a % without two hexadecimal digits: write %25 for a %",
    "the query must be UTF-8, percent-encoded",
    "the query must not hold the character NUL",
)
HALF_SURROGATE, OVERLONG_SLASH = "%ED%A0%80", "%C0%AF"
TAG = "filter[tags][{0}][key]=k{0}&filter[tags][{0}][value]=v"


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        *((f"page={page}", "page must be") for page in ("0", "-1", "1.0", "", "+1")),
        *((f"page={page}", "page must be") for page in ("\u0661", "1e3", "9" * 5000)),
        *((f"amount={most}", "amount must be") for most in ("0", "10001", "all")),
        *((f"orderBy={by}", "orderBy must be") for by in ("", "name", "tags,asc")),
        *((f"orderBy={by}", "orderBy must be") for by in ("name,up", "name,asc,asc")),
        *((f"{it}&{it}", "once") for it in ("page=1", "orderBy=name,asc", "amount=2")),
        ("filter[active]=true&filter[active]=false", "once"),
        *((f"filter{it}=x", "filter must be") for it in ("", "[]", "[][]", "[name]]")),
        ("filter[=x", "asked for with"),
        *((f"filter{it}=x", "filter must be") for it in ("[id]", "[name][0]")),
        *((f"filter[tags]{it}=x", "filter must be") for it in ("", "[0]", "[a][key]")),
        ("filter[tags][0][id]=x", "a key and a value"),
        ("filter[tags][99999999999][key]=k", "filter must be"),
        ("filter" + "[a]" * 2000 + "=x", "filter must be"),
        ("fields[99999999999]=id", "asked for with"),
        ("fields[x]=id", "asked for with"),
        ("fields[0][0]=id", "asked for with"),
        ("token=p-1", "asked for with"),
        ("filter[active]=1", "true or false"),
        ("filter[active]=", "true or false"),
        ("filter[name]=", "leave it out"),
        (f"filter[name]={'x' * 1001}", "1 to 1000"),
        ("filter[tags][0][key]=k", "a key and a value"),
        ("filter[tags][0][value]=v", "a key and a value"),
        (f"filter[tags][0][key]=k&filter[tags][0][value]={'v' * 101}", "100"),
        ("&".join(TAG.format(at) for at in range(31)), "at most 30"),
        ("x" * (LONGEST_QUERY + 1), "bytes"),
        ("é" * (LONGEST_QUERY // 2 + 1), "bytes"),
        ("a&" * (MOST_PAIRS + 1), "parameters"),
        *((f"filter[name]=10{it}", "write %25") for it in ("%", "%4", "%zz", "%%20")),
        *((f"filter[name]={it}", "UTF-8") for it in (HALF_SURROGATE, OVERLONG_SLASH)),
        *((f"filter[name]={it}", "UTF-8") for it in ("\ud800", "%ff", "%F4%90%80%80")),
        ("filter[name]=a%00b", "NUL"),
        ("filter[na%00me]=ab", "NUL"),
    ],
)
def test_what_is_no_query_is_refused_by_name(sent: str, why: str) -> None:
    with pytest.raises(InvalidDefinition, match=why) as refusal:
        parse_query(sent, ACTIONS)

    assert str(refusal.value) in SENTENCES


@pytest.mark.parametrize(
    ("sent", "fields"),
    [
        ("fields=name&fields=password&fields=", ("name",)),
        ("fields[]=name&fields[]=id", ("id", "name")),
        ("fields[0]=name&fields[0]=id&fields[1]=id", ("id", "name")),
        ("fields=password", ()),
    ],
)
def test_fields_that_a_list_does_not_have_are_ignored(
    sent: str, fields: tuple[str, ...]
) -> None:
    assert parse_query(sent, ACTIONS).fields == fields


def test_what_is_as_large_as_may_be_is_read() -> None:
    label = "k" * LONGEST_TAG
    tag = f"filter[tags][{{0}}][key]={label}&filter[tags][{{0}}][value]={label}"
    tags = "&".join(tag.format(at) for at in range(MOST_TAGS))
    name = f"filter[name]={'x' * LONGEST_TEXT}"
    fields = "&".join(["fields=id"] * MOST_PAIRS)

    last = parse_query(f"page={LAST_PAGE}&amount={MOST_LISTED}", ACTIONS)
    assert last.listing.page == Page(LAST_PAGE, MOST_LISTED)
    assert parse_query(tags, ACTIONS).listing.tags == (Tag(label, label),) * MOST_TAGS
    assert parse_query(name, ACTIONS).listing.name == "x" * LONGEST_TEXT
    assert parse_query(fields, ACTIONS).fields == ("id",)
    assert parse_query("fields=id&".ljust(LONGEST_QUERY, "&"), ACTIONS).fields == (
        "id",
    )


def test_a_value_may_hold_an_equals_sign() -> None:
    assert parse_query("filter[name]=a=b", ACTIONS).listing.name == "a=b"


def test_a_plus_is_a_space_unless_it_is_encoded() -> None:
    assert parse_query("filter[name]=a+b%2Bc", ACTIONS).listing.name == "a b+c"


@pytest.mark.parametrize("stars", ["*", "**", "***", "*" * 400, "%2a" * 300])
def test_many_stars_cost_no_more_than_one(stars: str) -> None:
    asked = parse_query(f"filter[name]={stars}x{stars}", ACTIONS)

    assert asked.listing.name == "*x*"


def test_an_id_is_filtered_by_as_it_is() -> None:
    id_ = "6745d1f0c2b9a8e7d6c5b4a3"
    asked = parse_query(f"filter%5Bid%5D={id_}", SECRETS)

    assert asked.listing == Listing(order=BY_KEY, exactly={"id": id_})
    with pytest.raises(InvalidDefinition, match=r"filter\[id\] must have 1 to 1000"):
        parse_query("filter[id]=", SECRETS)


def test_a_filter_of_one_list_is_none_of_another() -> None:
    with pytest.raises(InvalidDefinition, match="filter must be one of id, key, tags;"):
        parse_query("filter[active]=true", SECRETS)
