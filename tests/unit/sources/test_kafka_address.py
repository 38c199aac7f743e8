import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.sources.kafka.connecting.address import (
    Address,
    InvalidAddress,
    parse_address,
)


def test_a_url_with_hosts_alone_has_defaults() -> None:
    assert parse_address("kafka://kafka.example.com") == Address(
        brokers=("kafka.example.com:9092",),
        topic="keyrelay.triggers",
        group="keyrelay",
        profile=None,
    )


def test_each_part_of_a_url_is_read() -> None:
    url = "kafka://a:1,B.example:65535,[::1]:9093,[2001:DB8::1],10.0.0.1"
    names = "topic=Alarms_2-x.y&group=night-shift&profile=north%20wing"

    assert parse_address(f"{url}?{names}") == Address(
        brokers=(
            "a:1",
            "b.example:65535",
            "[::1]:9093",
            "[2001:db8::1]:9092",
            "10.0.0.1:9092",
        ),
        topic="Alarms_2-x.y",
        group="night-shift",
        profile="north wing",
    )


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "expected a URL like kafka://"),
        ("canary:9092", "expected a URL like"),
        ("KAFKA://canary:9092", "expected a URL like"),
        (" kafka://canary", "expected a URL like"),
        ("kafka://canary\n", "expected a URL like"),
        ("kafka://cänary", "expected a URL like"),
        ("kafka://canary?profile=a#b", "expected a URL like"),
        ("kafka://", "brokers"),
        ("kafka://?topic=canary", "brokers"),
        ("kafka://canary,", "brokers"),
        ("kafka://canary, canary", "brokers"),
        ("kafka://canary:", "brokers"),
        ("kafka://canary:0", "brokers"),
        ("kafka://canary:65536", "brokers"),
        ("kafka://canary:x", "brokers"),
        ("kafka://canary/topic", "brokers"),
        ("kafka://::1", "brokers"),
        ("kafka://[canary]:9092", "brokers"),
        ("kafka://[::1", "brokers"),
        ("kafka://[::1%25eth0]", "brokers"),
        ("kafka://[1.2.3.4]", "brokers"),
        ("kafka://canary:9092,CANARY", "a broker stands twice"),
        ("kafka://me:canary@host", "KEYRELAY_KAFKA_PASSWORD_FILE"),
        ("kafka://host?password=canary", "it takes topic, group, profile"),
        ("kafka://host?topic=a&topic=canary", "stands twice"),
        ("kafka://host?canary", "parameters"),
        ("kafka://host?topic=a&&group=canary", "parameters"),
        ("kafka://host?profile=%ffcanary", "parameters"),
        ("kafka://host?topic=", "topic of the Kafka URL has"),
        ("kafka://host?topic=.", "topic of the Kafka URL has"),
        ("kafka://host?topic=..", "topic of the Kafka URL has"),
        ("kafka://host?topic=canary%20", "topic of the Kafka URL has"),
        ("kafka://host?topic=canary/", "topic of the Kafka URL has"),
        ("kafka://host?topic=" + "canary" * 34, "topic of the Kafka URL has"),
        ("kafka://host?group=canary%00", "group of the Kafka URL has"),
        ("kafka://host?profile=", "profile must have 1 to 100 characters"),
        ("kafka://host?profile=+canary", "only single spaces"),
        ("kafka://host?profile=canary%0a", "invisible characters"),
    ],
)
def test_every_other_url_is_refused_and_not_quoted(url: str, sentence: str) -> None:
    with pytest.raises(InvalidAddress) as refusal:
        parse_address(url)

    assert sentence in str(refusal.value)
    assert "canary" not in repr(refusal.value).lower()
    assert refusal.value.__context__ is None


@given(st.text(max_size=60))
def test_no_text_names_anything_but_hosts_ports_and_plain_names(text: str) -> None:
    for url in (f"kafka://{text}", f"kafka://host:1?topic={text}", f"kafka://h?{text}"):
        try:
            address = parse_address(url)
        except InvalidAddress:
            continue

        assert all(broker.rpartition(":")[2].isdecimal() for broker in address.brokers)
        for name in (address.topic, address.group):
            assert set(name) <= {*string.ascii_letters, *string.digits, *"._-"}
