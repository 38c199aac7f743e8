"""The border's counts, without a connection: exact at each limit."""

import json
from datetime import timedelta
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.api.border.body import BodyCount, BodyRate, SharedBytes
from keyrelay.api.border.connections import Admission, Connections, Refusals
from keyrelay.api.border.head import HeadCount, check_head
from keyrelay.api.border.limits import (
    BodyLimits,
    ConnectionLimits,
    HeadLimits,
    longest_body,
)
from keyrelay.api.border.refusal import BorderReason, BorderRefusal, RefusedAtBorder
from keyrelay.network.egress import parse_networks

MIB = 1 << 20


def status_of(refused: pytest.ExceptionInfo[RefusedAtBorder]) -> int:
    return refused.value.refusal.status


# --- a head


def test_a_target_may_be_so_long_and_no_longer() -> None:
    head = HeadCount(HeadLimits(target=10))

    head.add_target(6)
    head.add_target(4)
    with pytest.raises(RefusedAtBorder) as refused:
        head.add_target(1)
    assert status_of(refused) == 414


def test_a_head_may_have_so_many_fields_and_no_more() -> None:
    head = HeadCount(HeadLimits(fields=2))

    head.add_field(b"a", b"b")
    head.add_field(b"a", b"b")
    with pytest.raises(RefusedAtBorder) as refused:
        head.add_field(b"a", b"b")
    assert status_of(refused) == 431


def test_a_head_may_be_so_large_and_no_larger() -> None:
    head = HeadCount(HeadLimits(size=20))

    head.add_field(b"a" * 6, b"b" * 10)
    head.add_unparsed(20)
    with pytest.raises(RefusedAtBorder) as parsed:
        head.add_field(b"", b"")
    with pytest.raises(RefusedAtBorder) as unparsed:
        HeadCount(HeadLimits(size=20)).add_unparsed(21)
    assert status_of(parsed) == status_of(unparsed) == 431


@pytest.mark.parametrize("version", ["0.9", "1.2", "2.0"])
def test_no_other_version_is_spoken(version: str) -> None:
    with pytest.raises(RefusedAtBorder, match="no other version"):
        check_head(version, b"/", [(b"host", b"a")])


@pytest.mark.parametrize("hosts", [[], [(b"host", b"a")]])
def test_in_http_1_0_a_host_may_be_left_out(hosts: list[tuple[bytes, bytes]]) -> None:
    check_head("1.0", b"/", hosts)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"transfer-encoding", b"Chunked"),
        (b"transfer-encoding", b"chunked \t"),  # the parser leaves blanks at the end
        (b"content-encoding", b"Identity "),
    ],
)
def test_a_coding_is_read_in_any_case_and_without_blanks(
    name: bytes, value: bytes
) -> None:
    check_head("1.1", b"/", [(b"host", b"a"), (name, value)])


# --- a body


@pytest.mark.parametrize(
    ("path", "longest"),
    [
        ("/", MIB),
        ("/secrets", MIB),
        ("/triggers", None),
        ("/triggers/", None),
        ("/behind/a/proxy/triggers", None),
        ("/triggers/5/retry", MIB),
        ("/triggersome", MIB),
        ("/analysis/5/upload", 8 * MIB),
        ("/analysis/5/upload/", 8 * MIB),
        ("/keyrelay/analysis/5/upload", 8 * MIB),
        ("/analysis/upload", MIB),
        ("/upload", MIB),
    ],
)
def test_how_long_a_body_may_be_follows_from_its_path(
    path: str, longest: int | None
) -> None:
    assert longest_body(path) == longest


@given(sizes=st.lists(st.integers(0, 300), max_size=30), own=st.integers(0, 500))
def test_all_that_was_taken_is_given_back(sizes: list[int], own: int) -> None:
    limits, shared = BodyLimits(own=own), SharedBytes(1000)
    body = BodyCount(limits, shared, 5000, BodyRate(limits))

    try:
        for size in sizes:
            body.add(size)
    except RefusedAtBorder:
        assert sum(sizes) - own > 1000 or sum(sizes) > 5000
    else:
        assert shared.held == max(0, sum(sizes) - own)
    assert 0 <= shared.held <= 1000
    body.end()
    body.end()
    assert shared.held == 0


def test_bodies_may_share_so_many_bytes_and_no_more() -> None:
    limits, shared = BodyLimits(own=10), SharedBytes(100)
    first, second = (BodyCount(limits, shared, MIB, BodyRate(limits)) for _ in range(2))

    first.add(10 + 60)
    second.add(10 + 40)
    with pytest.raises(RefusedAtBorder) as refused:
        second.add(1)
    assert status_of(refused) == 503
    second.end()
    first.add(40)


def test_what_comes_after_the_answer_is_not_held() -> None:
    limits, shared = BodyLimits(own=10), SharedBytes(100)
    body = BodyCount(limits, shared, MIB, BodyRate(limits))

    body.end()
    body.add(1000)
    assert shared.held == 0


def test_little_is_read_of_an_endless_body_that_is_answered() -> None:
    limits = BodyLimits(own=10)
    body = BodyCount(limits, SharedBytes(100), None, BodyRate(limits))

    body.add(1000)
    body.end()
    body.add(10)
    with pytest.raises(RefusedAtBorder):
        body.add(1)


def test_a_window_is_judged_by_what_came_in_it() -> None:
    rate = BodyRate(BodyLimits(least=10))

    rate.came += 10
    assert not rate.is_slow()
    rate.came += 9
    assert rate.is_slow()
    rate.was_paused = True
    assert not rate.is_slow()
    assert rate.is_slow()


# --- connections


def admitted(connections: Connections, address: str) -> Admission:
    admission = connections.admit(address)
    assert admission is not None
    return admission


def test_ipv6_addresses_of_one_client_share_their_connections() -> None:
    connections = Connections(ConnectionLimits(per_address=2))

    for address in ("2001:db8::1", "2001:db8::2"):
        assert admitted(connections, address).refusal is None
    refused = admitted(connections, "2001:db8::3").refusal
    assert refused is not None
    assert refused.status is HTTPStatus.TOO_MANY_REQUESTS
    assert admitted(connections, "2001:db8:0:1::1").refusal is None


def test_a_trusted_proxys_connections_are_those_of_many() -> None:
    trusted = parse_networks("10.0.0.0/8")
    connections = Connections(ConnectionLimits(per_address=1), trusted)

    for _ in range(9):
        assert admitted(connections, "10.1.2.3").refusal is None


def test_nothing_is_kept_of_clients_that_are_gone() -> None:
    connections = Connections(ConnectionLimits())
    admissions = [admitted(connections, f"192.0.2.{number}") for number in range(99)]
    for each in admissions:
        each.wait(lambda: None)

    for each in admissions * 2:
        each.leave()

    assert not connections.admitted
    assert not connections.by_client
    assert not connections.waiting


def test_the_one_that_has_waited_longest_makes_room() -> None:
    connections, closed = Connections(ConnectionLimits(in_all=3)), list[str]()
    places = {name: admitted(connections, "192.0.2.1") for name in "abc"}
    for name, place in places.items():
        place.wait(lambda name=name: closed.append(name))  # type: ignore[misc]
    places["a"].work()
    places["a"].wait(lambda: closed.append("a"))
    places["b"].work()

    for _ in range(2):
        assert admitted(connections, "192.0.2.1").refusal is None
    assert closed == ["c", "a"]
    refused = admitted(connections, "192.0.2.1").refusal
    assert refused is not None
    assert refused.status is HTTPStatus.SERVICE_UNAVAILABLE


def test_one_that_waits_on_keeps_its_turn_and_is_closed_as_it_said_last() -> None:
    connections, closed = Connections(ConnectionLimits(in_all=2)), list[str]()
    first, second = (admitted(connections, "192.0.2.1") for _ in range(2))
    first.wait(lambda: closed.append("handshake"))
    second.wait(lambda: closed.append("second"))
    first.wait(lambda: closed.append("first"))

    for _ in range(2):
        assert admitted(connections, "192.0.2.1").refusal is None
    assert closed == ["first", "second"]


def test_what_has_no_place_makes_no_room() -> None:
    connections = Connections(ConnectionLimits(in_all=1, per_address=2))
    gone, working = admitted(connections, "192.0.2.1"), list[str]()
    gone.leave()
    admitted(connections, "192.0.2.1").work()

    for each in (gone, admitted(connections, "192.0.2.1")):
        each.wait(lambda: working.append("made room"))
        refused = admitted(connections, "192.0.2.1").refusal
        assert refused is not None
        assert refused.status is HTTPStatus.SERVICE_UNAVAILABLE
    assert working == []


def test_each_refusal_of_a_connection_is_counted_by_its_reason() -> None:
    counted: list[BorderReason] = []
    limits = ConnectionLimits(per_address=1, in_all=1)
    connections = Connections(limits, (), Refusals(counted.append))
    admitted(connections, "192.0.2.1").work()

    refused = [connections.admit(f"192.0.2.{host}") for host in (1, *[2] * 70)]

    assert refused[-1] is None  # no room to say why
    assert counted == [BorderReason.ONE_ADDRESS, *[BorderReason.CONNECTIONS] * 70]


def test_a_refusal_that_was_read_makes_room_for_the_next_one() -> None:
    connections = Connections(ConnectionLimits(in_all=1))
    admitted(connections, "192.0.2.1").work()

    for _ in range(100):
        refused = admitted(connections, "192.0.2.2")
        assert refused.refusal is not None
        refused.leave()


def test_half_of_the_files_that_may_be_open_are_left_to_the_rest() -> None:
    assert ConnectionLimits(in_all=1000).within_files(1024).in_all == 512
    assert ConnectionLimits(in_all=1000).within_files(20_000).in_all == 1000
    assert ConnectionLimits(in_all=1000).within_files(1).in_all == 1


# --- a refusal


def test_a_refusal_is_a_whole_answer() -> None:
    refusal = BorderRefusal(
        reason=BorderReason.SENT_AHEAD,
        status=HTTPStatus.TOO_MANY_REQUESTS,
        message='say "ä"',
        retry_after=7,
    )

    head, _, body = refusal.encoded([(b"date", b"now")]).partition(b"\r\n\r\n")

    assert json.loads(body) == {"status": False, "message": 'say "ä"'}
    assert head.decode().split("\r\n") == [
        "HTTP/1.1 429 Too Many Requests",
        "date: now",
        "cache-control: no-store",
        "content-type: application/json",
        f"content-length: {len(body)}",
        "connection: close",
        "retry-after: 7",
    ]


def test_the_limits_have_the_order_that_makes_sense() -> None:
    body, connections = BodyLimits(), ConnectionLimits()

    assert body.own < MIB < body.shared
    assert connections.per_address < connections.in_all
    assert connections.lingering < connections.idle
    assert timedelta() < HeadLimits().within
