"""CloudEvents: what is read from a record, and what is refused by name."""

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cloudevents.core.bindings import http, kafka
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.model.trigger import LARGEST_TRIGGER, MalformedTrigger
from keyrelay.sources.cloud_event import (
    Headers,
    UnwrappedEvent,
    headers_of_http,
    unwrap,
)
from tests.samples import MAIL_ACTION, NOON, ORIGIN

TRIGGER: Mapping[str, object] = {"action": MAIL_ACTION, "data": {"value": "°C"}}
PLAIN = json.dumps(TRIGGER).encode()
BINARY: Mapping[str, bytes] = {
    "ce_specversion": b"1.0",
    "ce_id": b"17",
    "ce_source": "/türen".encode(),
    "ce_type": b"com.example.door.opened",
}
EVENT: Mapping[str, object] = {
    "specversion": "1.0",
    "id": "17",
    "source": "/türen",
    "type": "com.example.door.opened",
    "data": TRIGGER,
}
STRUCTURED: Mapping[str, bytes] = {"content-type": b"application/cloudevents+json"}
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


def binary(headers: Mapping[str, bytes | None], value: bytes = PLAIN) -> UnwrappedEvent:
    return unwrap(value, list({**BINARY, **headers}.items()))


def structured(event: Mapping[str, object]) -> UnwrappedEvent:
    return unwrap(json.dumps({**EVENT, **event}).encode(), list(STRUCTURED.items()))


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("traceparent", b"00-1-2-3")],
        [("content-type", b"application/json")],
        [("content-type", b"\xff")],
        [("content-type", None), ("content-type", b"text/plain")],
        [("ce_time", b"\xff"), ("ce_colour", b"red")],
    ],
)
def test_what_is_no_event_is_passed_on_as_it_is(headers: Headers) -> None:
    assert unwrap(b"whatever \xff", headers) == UnwrappedEvent(
        document=b"whatever \xff"
    )


def test_in_binary_mode_the_value_is_the_trigger() -> None:
    unwrapped = binary(
        {
            "content-type": b"application/json; charset=utf-8",
            "ce_time": b"2030-01-01T13:00:00+01:00",
            "ce_partitionkey": b"door-17",
            "ce_anything": b"\xff",
        }
    )

    assert unwrapped.document == PLAIN
    assert unwrapped.raised_at == NOON
    assert unwrapped.key == "door-17"


def test_in_structured_mode_the_data_is_the_trigger() -> None:
    unwrapped = structured(
        {
            "datacontenttype": "application/json; charset=utf-8",
            "time": "2030-01-01T12:00:00Z",
            "partitionkey": "door-17",
            "subject": None,
            "anything": 7,
        }
    )

    assert json.loads(unwrapped.document) == TRIGGER
    assert unwrapped.raised_at == NOON
    assert unwrapped.key == "door-17"


def test_both_modes_give_the_same_id() -> None:
    assert structured({}).id == binary({}).id == "cb31dce6d63d91254152692c"


def test_neither_source_nor_id_is_an_id_of_its_own() -> None:
    pairs = [("a", "bc"), ("ab", "c"), ("a", "b"), ("b", "a"), ("abc", "a")]

    ids = {structured({"source": source, "id": id_}).id for source, id_ in pairs}

    assert len(ids) == len(pairs)


@pytest.mark.parametrize(
    "media_type",
    [None, b"", b"application/json", b"text/json", b"Application/Vnd.X+JSON ; a=b"],
)
def test_data_is_json_in_all_its_names(media_type: bytes | None) -> None:
    assert binary({"content-type": media_type}).document == PLAIN


@pytest.mark.parametrize(
    "media_type",
    [b"application/cloudevents+json; charset=UTF-8", b"APPLICATION/CLOUDEVENTS+JSON"],
)
def test_an_event_is_known_by_its_media_type(media_type: bytes) -> None:
    headers = [("Content-Type", media_type), ("ce_id", b"\xff")]

    assert json.loads(unwrap(json.dumps(EVENT).encode(), headers).document) == TRIGGER


def test_data_may_be_base64() -> None:
    event = {name: EVENT[name] for name in EVENT if name != "data"}
    event["data_base64"] = base64.b64encode(PLAIN).decode()

    unwrapped = unwrap(json.dumps(event).encode(), list(STRUCTURED.items()))

    assert unwrapped.document == PLAIN


@pytest.mark.parametrize(
    ("headers", "sentence"),
    [
        ({"ce_id": b""}, "a CloudEvent's id must have 1 to"),
        ({"ce_source": None}, "a CloudEvent's source must have 1 to"),
        ({"ce_type": b"canary" * 400}, "a CloudEvent's type must have"),
        ({"ce_specversion": b"0.3"}, "specversion must be 1.0"),
        ({"ce_specversion": b"1"}, "specversion must be 1.0"),
        ({"ce_id": b"canary\xff"}, "the header ce_id is not UTF-8"),
        ({"ce_time": b"canary"}, "a CloudEvent's time must be a time as in RFC 3339"),
        ({"ce_time": b"2030-01-01T12:00:00"}, "time must be a time as in RFC 3339"),
        ({"ce_partitionkey": b"canary" * 30}, "partitionkey must have 1 to 128"),
        ({"content-type": b"application/xml"}, "datacontenttype must be JSON"),
        ({"content-type": b"canary"}, "datacontenttype must be JSON"),
        ({"content-type": b"\xff/json+xml"}, "datacontenttype must be JSON"),
        ({"CE_ID": b"canary"}, "stands twice"),
    ],
)
def test_a_bad_header_is_refused_by_its_name(
    headers: Mapping[str, bytes | None], sentence: str
) -> None:
    with pytest.raises(MalformedTrigger, match=sentence) as refusal:
        binary(headers)

    assert "canary" not in repr(refusal.value)


@pytest.mark.parametrize("name", sorted(BINARY))
def test_each_required_header_is_required(name: str) -> None:
    rest = [(other, BINARY[other]) for other in BINARY if other != name]

    with pytest.raises(MalformedTrigger, match=f"a CloudEvent's {name[3:]} must be"):
        unwrap(PLAIN, rest)


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        ({"id": None}, "a CloudEvent's id must be a string"),
        ({"source": 7}, "a CloudEvent's source must be a string"),
        ({"type": ""}, "a CloudEvent's type must have"),
        ({"specversion": "0.3"}, "specversion must be 1.0"),
        ({"specversion": 1.0}, "a CloudEvent's specversion must be a string"),
        ({"time": 7}, "a CloudEvent's time must be a string"),
        ({"partitionkey": ["canary"]}, "partitionkey must be a string"),
        ({"datacontenttype": "text/canary"}, "datacontenttype must be JSON"),
        ({"datacontenttype": 7}, "datacontenttype must be a string"),
        ({"data": None}, "a CloudEvent's data must be an object"),
        ({"data": '{"action": "canary"}'}, "a CloudEvent's data must be an object"),
        ({"data": ["canary"]}, "a CloudEvent's data must be an object"),
        ({"data_base64": "e30="}, "data or data_base64, not both"),
    ],
)
def test_a_bad_attribute_is_refused_by_its_name(
    event: Mapping[str, object], sentence: str
) -> None:
    with pytest.raises(MalformedTrigger, match=sentence) as refusal:
        structured(event)

    assert "canary" not in repr(refusal.value)


@pytest.mark.parametrize("encoded", ["canary", "e30=\n", "e3_=", "é", 7, ["e30="]])
def test_base64_is_read_strictly(encoded: object) -> None:
    event = {name: EVENT[name] for name in EVENT if name != "data"}
    raw = json.dumps({**event, "data_base64": encoded}).encode()

    with pytest.raises(MalformedTrigger, match="data_base64 must be base64") as refusal:
        unwrap(raw, list(STRUCTURED.items()))

    assert "canary" not in repr(refusal.value)


@pytest.mark.parametrize(
    "media_type",
    [
        b"application/cloudevents",
        b"application/cloudevents+avro",
        b"application/cloudevents-batch+json",
    ],
)
def test_batches_and_other_formats_are_refused(media_type: bytes) -> None:
    with pytest.raises(MalformedTrigger, match="one event, in JSON"):
        unwrap(b"[]", [("content-type", media_type)])


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"\xff",
        json.dumps(EVENT).encode("utf-16"),
        json.dumps(EVENT).encode()[:-1] + b', "id": "18"}',
        json.dumps({**EVENT, "data": 7}).replace("7", '{"a": 1, "a": 2}').encode(),
        json.dumps({**EVENT, "x": float("nan")}).encode(),
    ],
    ids=["nothing", "list", "bytes", "utf-16", "id twice", "action twice", "NaN"],
)
def test_an_event_is_strict_json(raw: bytes) -> None:
    with pytest.raises(MalformedTrigger, match="expected one JSON object"):
        unwrap(raw, list(STRUCTURED.items()))


def test_an_event_of_two_mebibytes_is_read_and_a_larger_one_refused() -> None:
    raw = json.dumps(EVENT).encode().ljust(2 * LARGEST_TRIGGER)

    unwrap(raw, list(STRUCTURED.items()))

    with pytest.raises(MalformedTrigger, match="larger than 2097152 bytes"):
        unwrap(raw + b" ", list(STRUCTURED.items()))


@given(
    value=st.binary(max_size=200),
    headers=st.lists(
        st.tuples(
            st.sampled_from(["content-type", "ce_time", *BINARY]) | st.text(max_size=9),
            st.none()
            | st.binary(max_size=30)
            | st.sampled_from([*BINARY.values(), *STRUCTURED.values()]),
        ),
        max_size=8,
    ),
)
def test_whatever_record_comes_nothing_worse_than_malformed_is_raised(
    value: bytes, headers: Headers
) -> None:
    try:
        unwrapped = unwrap(value, headers)
    except MalformedTrigger:
        return
    assert unwrapped.document == value or unwrapped.id is not None


@given(
    id_=TEXT,
    source=TEXT,
    value=TEXT,
    key=TEXT,
    time=st.datetimes(timezones=st.just(UTC)),
)
def test_what_the_cloudevents_package_writes_is_read_the_same_in_both_modes(
    id_: str, source: str, value: str, key: str, time: datetime
) -> None:
    attributes = {
        "id": id_,
        "source": source,
        "type": "com.example.door.opened",
        "time": time,
        "partitionkey": key,
        "datacontenttype": "application/json",
    }
    data = {"action": MAIL_ACTION, "data": {"value": value}}
    event = CloudEvent(attributes=attributes, data=data)
    records = (kafka.to_binary_event(event), kafka.to_structured_event(event))
    requests = (http.to_binary_event(event), http.to_structured_event(event))

    first, *others = [
        *(unwrap(each.value, list(each.headers.items())) for each in records),
        *(
            unwrap(sent.body, headers_of_http(sent.headers.items()))
            for sent in requests
        ),
    ]

    for other in others:
        assert json.loads(first.document) == json.loads(other.document) == data
        assert replace(first, document=b"") == replace(other, document=b"")
    trigger = first.trigger(ORIGIN)
    assert (trigger.action, trigger.id, trigger.key) == (MAIL_ACTION, first.id, key)
    assert first.raised_at == time


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("door", b"door"),
        ("Euro%20%E2%82%AC", "Euro €".encode()),
        ('"door 17"', b"door 17"),
        (r'"a \"b\" \\"', b'a "b" \\'),
        ('"door', b'"door'),
        ("t\xfcr", b"t\xfcr"),
        ("100%", b"100%"),
    ],
)
def test_a_header_of_a_request_is_unquoted_and_percent_decoded(
    sent: str, read: bytes
) -> None:
    headers = [("CE-Id", sent), ("Content-Type", "text/css"), ("token", "t-1")]

    assert headers_of_http(headers) == [("ce_id", read), ("content-type", b"text/css")]


def test_what_a_trigger_says_itself_goes_before_what_its_event_says() -> None:
    own = {**TRIGGER, "id": "mine", "key": "k", "raised_at": "2029-12-31T00:00:00Z"}
    unwrapped = structured({"data": own, "partitionkey": "p", "time": NOON.isoformat()})

    trigger = unwrapped.trigger(ORIGIN)

    assert (trigger.id, trigger.key) == ("mine", "k")
    assert trigger.lifetime.raised_at == NOON - timedelta(hours=36)
