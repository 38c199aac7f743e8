"""Border: what is refused before the API's application sees it, over real sockets."""

import gc
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta

import pytest

from keyrelay.api.border.limits import (
    BodyLimits,
    BorderLimits,
    ConnectionLimits,
    HeadLimits,
)
from keyrelay.api.border.protocol import Border
from keyrelay.api.border.refusal import BorderReason
from keyrelay.api.listening import Listening
from keyrelay.network.egress import parse_networks
from tests.contract.border_peer import (
    OFTEN,
    WHOLE,
    Serving,
    answer,
    answers,
    ask,
    chunked,
    get,
    is_quiet,
    post,
    rest,
    send_on,
    serving,
)

SOON = timedelta(seconds=0.3)
MIB = 1 << 20


def listening(
    head: HeadLimits | None = None,
    body: BodyLimits | None = None,
    connections: ConnectionLimits | None = None,
    trusted: str = "",
) -> Listening:
    limits = BorderLimits(
        head=head or HeadLimits(),
        body=body or BodyLimits(),
        connections=connections or ConnectionLimits(),
    )
    networks = parse_networks(trusted)
    return Listening(host="127.0.0.1", port=0, limits=limits, trusted=networks)


@pytest.fixture(scope="module")
def api() -> Iterator[Serving]:
    """A server with the limits that it has in use."""
    with serving(listening()) as served:
        yield served


# --- the head


@pytest.mark.parametrize("begun", [b"", b"GET / HT", get("/")[:-2], b"\r\n\r\n"])
def test_a_head_that_is_not_there_in_time_is_answered_and_closed(begun: bytes) -> None:
    with serving(listening(head=HeadLimits(within=SOON))) as api, api.connect() as slow:
        slow.sendall(begun)

        assert api.get().status == 200  # others are served meanwhile
        reply = answer(slow)
        assert (reply.status, rest(slow)) == (408, b"")
        assert "did not arrive in time" in reply.message


def test_a_byte_now_and_then_gives_a_head_no_more_time() -> None:
    with serving(listening(head=HeadLimits(within=SOON))) as api, api.connect() as slow:
        drip = iter(get("/" + "a" * 1000))
        while is_quiet(slow, 0.02):
            slow.sendall(bytes([next(drip)]))

        assert answer(slow).status == 408


def test_the_next_head_on_a_connection_has_its_own_time() -> None:
    with serving(listening(head=HeadLimits(within=SOON))) as api, api.connect() as kept:
        assert ask(kept, get()).status == 200
        assert is_quiet(kept, 2 * SOON.total_seconds())
        assert ask(kept, get()).status == 200
        kept.sendall(b"GET")

        assert answer(kept).status == 408


@pytest.mark.parametrize("before", [b"", get()], ids=["first", "second"])
@pytest.mark.parametrize(
    ("request_", "status", "words"),
    [
        (get("/" + "a" * 100_000), 414, "longer than 8192 bytes"),
        (b"GET /" + b"a" * 10_000, 414, "longer than 8192 bytes"),
        (get("/", "X: " + "a" * 100_000), 431, "head has more than 32768 bytes"),
        (get()[:-2] + b"X: " + b"a" * 100_000, 431, "head has more than 32768 bytes"),
        (get()[:-2] + b"a" * 100_000, 431, "head has more than 32768 bytes"),
        (get("/", *["X: y"] * 100), 431, "more than 100 header fields"),
        (get("/", *["X: " + "a" * 1000] * 40), 431, "head has more than 32768 bytes"),
    ],
    ids=["target", "endless target", "field", "endless field", "name", "many", "sum"],
)
def test_a_head_that_is_too_large_is_refused(
    api: Serving, before: bytes, request_: bytes, status: int, words: str
) -> None:
    with api.connect() as client:
        if before:
            assert ask(client, before).status == 200
        reply = ask(client, request_)

        assert (reply.status, rest(client)) == (status, b"")
    assert words in reply.message


def test_a_head_that_is_too_large_is_refused_behind_what_came_with_it(
    api: Serving,
) -> None:
    with api.connect() as client:
        client.sendall(get("/first") + get()[:-2] + b"X: " + b"a" * 100_000)

        first, refused = answers(client)
    assert (first.status, refused.status) == (200, 431)


def test_a_client_that_is_gone_is_not_counted_as_late() -> None:
    with serving(listening(head=HeadLimits(within=SOON))) as api:
        with api.connect() as gone:
            gone.sendall(b"GET")
        with api.connect() as late:
            assert answer(late).status == 408

        assert api.counted == [BorderReason.HEAD_TOO_LATE]


def test_a_head_as_large_as_may_be_is_taken(api: Serving) -> None:
    target = "/" + "a" * (8192 - 1)
    fields = [f"X: {'a' * 200}"] * 99

    assert api.ask(get(target, *fields)).document["headers"] == 100


def test_empty_lines_do_not_go_on_for_ever(api: Serving) -> None:
    with api.connect() as client:
        assert ask(client, b"\r\n" * 50_000).status == 431


# --- the body


@pytest.mark.parametrize(
    "begun",
    [
        post("/", b"abc", length=1000),
        post("/triggers", b"abc", length=1000),
        chunked("/", b"abc"),
        chunked("/triggers", b"abc"),
    ],
)
def test_a_body_that_does_not_go_on_is_answered_and_closed(begun: bytes) -> None:
    limits = BodyLimits(window=SOON, least=100)
    with serving(listening(body=limits)) as api, api.connect() as slow:
        slow.sendall(begun)

        assert api.get().status == 200
        reply = answer(slow)
        assert (reply.status, rest(slow)) == (408, b"")
        assert "came too slowly" in reply.message
        # The application finds its client gone.
        assert api.application.left.acquire(timeout=5)
        assert api.application.left.acquire(timeout=5)
        assert sorted(api.application.endings) == ["http.disconnect", "http.request"]


@pytest.mark.parametrize("drop", [b"a", b"1;" + b"x" * 500 + b"\r\na\r\n"])
def test_a_byte_now_and_then_is_no_progress(drop: bytes) -> None:
    head = chunked("/") if len(drop) > 1 else post("/", b"", length=100_000)
    limits = BodyLimits(window=SOON, least=500)
    with serving(listening(body=limits)) as api, api.connect() as slow:
        slow.sendall(head)
        while is_quiet(slow, 0.02):
            slow.sendall(drop)

        assert answer(slow).status == 408


def test_a_body_that_was_fast_at_first_must_go_on() -> None:
    limits = BodyLimits(window=SOON, least=100)
    with serving(listening(body=limits)) as api, api.connect() as slow:
        slow.sendall(post("/", bytes(200), length=1000))

        assert answer(slow).status == 408


def test_a_body_that_makes_progress_may_take_its_time() -> None:
    limits = BodyLimits(window=SOON, least=10)
    with serving(listening(body=limits)) as api, api.connect() as slow:
        slow.sendall(post("/", b"", length=2000))
        for _ in range(20):
            assert is_quiet(slow, 0.05)
            slow.sendall(bytes(100))

        assert answer(slow).document["length"] == 2000


def test_a_client_is_not_slow_while_it_is_the_application_that_does_not_read() -> None:
    limits = BodyLimits(window=SOON, least=100_000)
    with serving(listening(body=limits)) as api, api.connect() as client:
        client.sendall(post("/hold", bytes(MIB // 2), length=MIB))
        assert is_quiet(client, 4 * SOON.total_seconds())
        api.release()

        client.sendall(bytes(MIB // 2))
        assert answer(client).document["length"] == MIB


def test_a_window_in_which_reading_was_paused_is_not_judged() -> None:
    limits = BodyLimits(window=timedelta(seconds=1), least=100 * MIB)
    with serving(listening(body=limits)) as api, api.connect() as client:
        client.sendall(post("/hold", bytes(100_000), length=200_000))
        assert api.application.entered.acquire(timeout=5)
        assert is_quiet(client, 0.1)
        api.release()
        assert is_quiet(client, 1.2)

        client.sendall(bytes(100_000))
        assert answer(client).document["length"] == 200_000


def test_an_answer_may_take_longer_than_its_request() -> None:
    limits = BodyLimits(window=SOON)
    with serving(listening(body=limits)) as api, api.connect() as client:
        client.sendall(post("/hold", b"abc"))
        assert is_quiet(client, 3 * SOON.total_seconds())
        api.release()

        assert answer(client).document["length"] == 3
        assert ask(client, get()).status == 200


def test_no_refusal_stands_in_the_middle_of_an_answer() -> None:
    limits = BodyLimits(window=SOON)
    with serving(listening(body=limits)) as api, api.connect() as client:
        client.sendall(post("/events", b"abc", length=1000))

        assert rest(client).count(b"HTTP/1.1") == 1


def test_a_body_that_stops_behind_its_answer_ends_without_another() -> None:
    limits = BodyLimits(window=SOON)
    with serving(listening(body=limits)) as api, api.connect() as client:
        assert ask(client, post("/early", b"abc", length=1000)).status == 401

        assert rest(client) == b""


def test_the_application_learns_at_once_that_its_request_was_refused() -> None:
    limits = ConnectionLimits(lingering=timedelta(seconds=60))
    with serving(listening(connections=limits)) as api, api.connect() as client:
        client.sendall(chunked("/hold", b"abc"))
        assert api.application.entered.acquire(timeout=5)
        client.sendall(b"junk\r\n")
        assert answer(client).status == 400
        api.release()

        assert api.application.left.acquire(timeout=5)
    assert api.application.endings == ["http.disconnect"]


@pytest.mark.parametrize(
    ("path", "longest"),
    [
        ("/secrets", MIB),
        ("/secrets/", MIB),
        ("/analysis/5/upload", 8 * MIB),
        ("/behind/analysis/5/upload/?a=b", 8 * MIB),
        ("/analysis/upload", MIB),
    ],
)
def test_a_body_may_be_so_long_and_no_longer(
    api: Serving, path: str, longest: int
) -> None:
    assert api.ask(post(path, bytes(longest))).document["length"] == longest
    for too_long in (
        post(path, b"", length=longest + 1),
        chunked(path, *[bytes(MIB)] * (longest // MIB), b"a"),
        chunked(path, *[bytes(MIB)] * (longest // MIB + 4)),
    ):
        reply = api.ask(too_long)
        assert reply.status == 413
        assert reply.message == f"the body of this request may have {longest} bytes"


def test_triggers_may_come_without_an_end(api: Serving) -> None:
    sent = chunked("/triggers", *[bytes(MIB)] * 20) + b"0\r\n\r\n"

    assert api.ask(sent).document["length"] == 20 * MIB


def test_a_body_whose_answer_is_there_already_is_not_read_for_ever() -> None:
    limits = ConnectionLimits(lingering=SOON)
    with serving(listening(connections=limits)) as api, api.connect() as client:
        assert ask(client, chunked("/early/triggers")).status == 401

        assert send_on(client, b"%x\r\n%s\r\n" % (1000, bytes(1000))) < OFTEN


def test_what_is_left_of_an_answered_body_is_read_for_the_next_request(
    api: Serving,
) -> None:
    with api.connect() as client:
        client.sendall(post("/early", b"", length=MIB))
        assert answer(client).status == 401
        client.sendall(bytes(MIB))

        assert ask(client, get()).status == 200


def test_large_bodies_share_what_may_be_held_of_them() -> None:
    limits = BodyLimits(own=10_000, shared=100_000)
    with serving(listening(body=limits)) as api, ExitStack() as stack:
        first, second, small, later = (
            stack.enter_context(api.connect()) for _ in range(4)
        )
        first.sendall(post("/hold", bytes(100_000)))
        assert api.application.entered.acquire(timeout=5)

        reply = ask(second, post("/", bytes(50_000)))
        assert (reply.status, reply.headers["retry-after"]) == (503, "1")
        assert "try again" in reply.message
        assert ask(small, post("/", bytes(10_000))).status == 200
        assert ask(small, post("/triggers", bytes(MIB))).status == 200

        api.release()
        assert answer(first).status == 200
        assert ask(later, post("/", bytes(100_000))).status == 200


def test_what_a_client_held_is_free_again_when_it_is_gone() -> None:
    limits = BodyLimits(own=10_000, shared=100_000)
    with serving(listening(body=limits)) as api:
        for _ in range(3):
            with api.connect() as client:
                client.sendall(post("/", bytes(90_000), length=100_000))
                assert is_quiet(client, 0.1)
            assert api.application.left.acquire(timeout=5)

        assert api.ask(post("/", bytes(100_000))).status == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (post("/", bytes(MIB - 1), length=MIB), 408),
        (chunked("/", bytes(MIB), b"a"), 413),
        (chunked("/", bytes(MIB - 1)) + b"junk\r\n", 400),
    ],
    ids=["slow", "large", "malformed"],
)
def test_what_a_refused_body_held_is_free_again(sent: bytes, status: int) -> None:
    limits = BodyLimits(window=SOON, shared=MIB)
    with serving(listening(body=limits)) as api, api.connect() as client:
        assert ask(client, sent).status == status

        assert api.ask(post("/", bytes(MIB))).status == 200


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "identity, gzip", "zstd"])
def test_a_compressed_body_is_refused(api: Serving, coding: str) -> None:
    head = f"POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: {coding}\r\n"
    reply = api.ask(f"{head}Content-Length: 3\r\n\r\nabc".encode())

    assert reply.status == 415
    assert reply.message == (
        "compressed bodies are not taken; send it without Content-Encoding"
    )


def test_a_body_in_its_identity_is_taken(api: Serving) -> None:
    head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: Identity\r\n"

    assert api.ask(f"{head}Content-Length: 3\r\n\r\nabc".encode()).status == 200


# --- what is no request, or two


@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: 3\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 3",
        "Content-Length: 3\r\nContent-Length: 3",
        "Content-Length: 3\r\nContent-Length: 4",
        "Content-Length: 3, 3",
        "Content-Length: +3",
        "Content-Length: -3",
        "Content-Length: 0x3",
        "Content-Length: 3 3",
        "Content-Length: 99999999999999999999999",
        "Content-Length : 3",
        " Content-Length: 3",
        "X: y\r\n Content-Length: 3",
        "X: y\nContent-Length: 3",
        "X: y\rContent-Length: 3",
        "X: y\0",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding:\x0bchunked",
        "Transfer_Encoding chunked",
    ],
)
def test_what_two_readers_could_read_in_two_ways_is_refused(
    api: Serving, head: str
) -> None:
    request = f"POST / HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n".encode("latin-1")
    smuggled = b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
    with api.connect() as client:
        client.sendall(request + smuggled)

        found = answers(client)
    assert [reply.status for reply in found] == [400]
    assert found[0].message


@pytest.mark.parametrize(
    "body",
    [
        b"0x3\r\nabc\r\n0\r\n\r\n",
        b"3\nabc\r\n0\r\n\r\n",
        b"3\r\nabc0\r\n\r\n",
        b"-3\r\nabc\r\n0\r\n\r\n",
        b"3 \r\nabc\r\n0\r\n\r\n",
        b"ffffffffffffffffff\r\nabc\r\n",
        b"3\r\nabc\r\n0\r\nToken: p-1\r\n\r\n",
        b"3\r\nabc\r\n0\r\nContent-Length: 3\r\n\r\n",
    ],
)
def test_a_chunked_body_in_another_form_is_refused(api: Serving, body: bytes) -> None:
    with api.connect() as client:
        client.sendall(chunked("/") + body + get("/smuggled"))

        found = answers(client)
    assert [reply.status for reply in found] == [400]
    assert found[0].message


def test_a_chunked_body_in_http_1_0_is_refused(api: Serving) -> None:
    head = b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

    assert api.ask(head + b"0\r\n\r\n").status == 400


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
        b"\0" * 1000,
        b"hello\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.7\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.2\r\nHost: a\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET http://other/secrets HTTP/1.1\r\nHost: a\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        b"UNHEARD / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"*1\r\n$4\r\nPING\r\n",
    ],
)
def test_what_is_no_request_to_this_server_is_answered_and_closed(
    api: Serving, raw: bytes
) -> None:
    with api.connect() as client:
        client.sendall(raw)

        found = answers(client)
    assert [reply.status for reply in found] == [400]
    assert found[0].message


@pytest.mark.parametrize("protocol", ["h2c", "websocket", "TLS/1.3"])
def test_no_other_protocol_is_changed_to(api: Serving, protocol: str) -> None:
    fields = (f"Upgrade: {protocol}", "Connection: Upgrade, HTTP2-Settings")
    for request in (get("/", *fields), post("/", b"abc")):
        upgrading = request.replace(b"\r\nHost", b"\r\n%s\r\nHost" % _lines(fields), 1)
        reply = api.ask(upgrading if request.startswith(b"POST") else request)

        assert reply.status == 400
        assert "send no Upgrade" in reply.message


def _lines(fields: tuple[str, ...]) -> bytes:
    return "\r\n".join(fields).encode()


def test_nothing_of_a_refused_request_is_echoed(api: Serving) -> None:
    for request in (
        b"hunter2 / HTTP/1.1\r\n\r\n",
        get("/?token=hunter2" + "a" * 10_000),
        get("/", "token: hunter2" + "a" * 40_000),
        get("/", "hunter2"),
        get("hunter2"),
        get("/", "Content-Encoding: hunter2"),
        get("/", "Transfer-Encoding: hunter2"),
        get("/", "Upgrade: hunter2", "Connection: upgrade"),
    ):
        reply = api.ask(request)
        assert reply.message
        assert b"hunter2" not in reply.body
        assert "hunter2" not in str(reply.headers)


# --- more than one request on a connection


def test_requests_sent_ahead_are_answered_in_order(api: Serving) -> None:
    with api.connect() as client:
        ahead = b"".join(get(f"/{number}") for number in range(9))
        client.sendall(ahead + get("/9", "Connection: close"))

        paths = [reply.document["path"] for reply in answers(client)]
    assert paths == [f"/{number}" for number in range(10)]


def test_so_many_may_be_sent_ahead_and_no_more(api: Serving) -> None:
    with api.connect() as client:
        client.sendall(get("/hold") + get("/next") * 5000)
        assert api.application.entered.acquire(timeout=5)
        assert is_quiet(client, 0.1)
        api.release()

        *answered, refused = answers(client)
    api.loop.call_soon_threadsafe(api.application.release.clear)
    assert [reply.status for reply in answered] == [200] * 17
    assert refused.status == 429
    assert "wait for answers" in refused.message


@pytest.mark.parametrize(
    ("second", "status"),
    [
        (b"junk\r\n\r\n", 400),
        (post("/", b"", length=2 * MIB), 413),
        (chunked("/", *[bytes(MIB)] * 2), 413),
        (chunked("/hold", b"abc") + b"junk\r\n", 400),
        (get("/", "X: " + "a" * 100_000), 431),
    ],
)
def test_a_refusal_waits_until_the_requests_before_it_are_answered(
    api: Serving, second: bytes, status: int
) -> None:
    with api.connect() as client:
        client.sendall(get("/hold"))
        assert api.application.entered.acquire(timeout=5)
        client.sendall(second)
        assert is_quiet(client, 0.1)
        api.release()

        first, refused = answers(client)
    api.loop.call_soon_threadsafe(api.application.release.clear)
    assert api.get().status == 200
    assert not api.application.entered.acquire(blocking=False)  # nor is it begun
    assert first.document["path"] == "/hold"
    assert refused.status == status
    assert refused.message


def test_only_what_is_refused_is_given_up_of_what_was_sent_ahead(api: Serving) -> None:
    with api.connect() as client:
        ahead = get("/1") + get("/2") + get("/3")
        client.sendall(ahead + chunked("/", b"abc") + b"junk\r\n")

        *answered, refused = answers(client)
    assert [reply.document["path"] for reply in answered] == ["/1", "/2", "/3"]
    assert refused.status == 400


@pytest.mark.parametrize(
    ("second", "status", "reason"),
    [
        (get("/", "X: " + "a" * 100_000), 431, BorderReason.HEAD_TOO_LARGE),
        (chunked("/", *[bytes(MIB)] * 2), 413, BorderReason.BODY_TOO_LARGE),
    ],
    ids=["head", "body"],
)
def test_what_is_refused_once_is_not_refused_again_while_it_waits(
    second: bytes, status: int, reason: BorderReason
) -> None:
    limits = BodyLimits(window=SOON)
    with (
        serving(listening(head=HeadLimits(within=SOON), body=limits)) as api,
        api.connect() as client,
    ):
        client.sendall(get("/hold"))
        assert api.application.entered.acquire(timeout=5)
        client.sendall(second)
        assert is_quiet(client, 3 * SOON.total_seconds())
        api.release()

        assert [reply.status for reply in answers(client)] == [200, status]
        assert api.counted == [reason]


@pytest.mark.parametrize("last", ["/last", "/whole"])
def test_what_is_sent_behind_the_last_request_is_not_answered(
    api: Serving, last: str
) -> None:
    with api.connect() as client:
        client.sendall(get(last, "Connection: close") + get("/more"))

        assert rest(client).count(b"HTTP/1.1 ") == 1


def test_a_client_that_sends_no_more_still_gets_its_answer(api: Serving) -> None:
    with api.connect() as client:
        client.sendall(get("/hold"))
        assert api.application.entered.acquire(timeout=5)
        client.shutdown(1)
        api.release()

        assert [reply.status for reply in answers(client)] == [200]
    api.loop.call_soon_threadsafe(api.application.release.clear)


def test_answers_and_a_refusal_reach_a_client_that_sends_no_more(api: Serving) -> None:
    with api.connect() as client:
        client.sendall(get("/hold") + get("/next") * 17)
        client.shutdown(1)
        assert api.application.entered.acquire(timeout=5)
        assert is_quiet(client, 0.1)
        api.release()

        assert [reply.status for reply in answers(client)] == [200] * 17 + [429]
    api.loop.call_soon_threadsafe(api.application.release.clear)


@pytest.mark.parametrize("begun", [b"", b"GET /", post("/", b"abc", length=1000)])
def test_a_client_that_ends_within_a_request_is_gone(
    api: Serving, begun: bytes
) -> None:
    with api.connect() as client:
        client.sendall(begun)
        client.shutdown(1)

        assert rest(client) == b""


@pytest.mark.parametrize("ahead", [b"", get("/next")], ids=["alone", "sent ahead"])
def test_the_application_learns_that_its_client_is_gone(ahead: bytes) -> None:
    with serving(listening()) as api:
        with api.connect() as client:
            client.sendall(get("/events") + ahead)
            assert api.application.entered.acquire(timeout=5)

        assert api.application.left.acquire(timeout=5)
        assert api.application.endings == ["http.disconnect"]


# --- connections


def borders() -> int:
    """Return how many connections there are objects of."""
    gc.collect()
    return sum(type(each) is Border for each in gc.get_objects())


@pytest.mark.parametrize(
    "begun",
    [b"GET /", post("/", b"abc", length=1000), get(), get("/large")],
    ids=["head", "body", "idle", "unread"],
)
def test_nothing_is_kept_of_a_connection_that_is_gone(begun: bytes) -> None:
    before = borders()
    with serving(listening()) as api:
        with api.connect() as client:
            client.sendall(begun)
            is_quiet(client, 0.2)

        assert any(borders() <= before for _ in range(20))


def test_an_idle_connection_is_closed_without_a_word() -> None:
    with (
        serving(listening(connections=ConnectionLimits(idle=SOON))) as api,
        api.connect() as client,
    ):
        assert ask(client, get()).status == 200

        assert rest(client) == b""


def test_a_connection_is_idle_once_a_stream_on_it_has_ended() -> None:
    with (
        serving(listening(connections=ConnectionLimits(idle=SOON))) as api,
        api.connect() as client,
    ):
        assert ask(client, get("/events").replace(b"GET", b"HEAD")).status == 200

        assert rest(client) == b""


def test_a_connection_is_idle_once_a_body_that_was_answered_early_has_come() -> None:
    with (
        serving(listening(connections=ConnectionLimits(idle=SOON))) as api,
        api.connect() as client,
    ):
        assert ask(client, post("/early", b"", length=1000)).status == 401
        client.sendall(bytes(1000))

        assert rest(client) == b""


def test_an_idle_connection_is_kept_for_as_long_as_promised(api: Serving) -> None:
    with api.connect() as client:
        assert ask(client, get()).status == 200
        assert is_quiet(client, 6)  # uvicorn would close it after five

        assert ask(client, get()).status == 200


def test_a_client_that_does_not_read_its_answer_is_cut_off() -> None:
    with (
        serving(listening(connections=ConnectionLimits(stalled=SOON))) as api,
        api.connect() as client,
    ):
        client.sendall(get("/large"))

        assert api.application.left.acquire(timeout=10)
        assert len(rest(client)) < 64 << 20


@pytest.mark.parametrize("end", ["keep-alive", "close"])
def test_a_client_may_read_its_answer_slowly(end: str) -> None:
    limits = ConnectionLimits(stalled=SOON, lingering=SOON, idle=SOON)
    with (
        serving(listening(connections=limits)) as api,
        api.connect() as client,
        api.connect() as silent,
    ):
        client.sendall(get("/whole", f"Connection: {end}"))

        read = 0
        while part := client.recv(WHOLE // 64):
            read += len(part)
            is_quiet(silent, 0.02)
    assert read > WHOLE


def test_a_client_that_has_read_all_is_not_cut_off_for_what_it_read_once() -> None:
    limits = ConnectionLimits(stalled=SOON)
    with serving(listening(connections=limits)) as api, api.connect() as client:
        assert len(ask(client, get("/whole")).body) == WHOLE
        assert is_quiet(client, 3 * SOON.total_seconds())

        assert ask(client, get()).status == 200


def test_one_address_may_have_so_many_connections() -> None:
    limits = ConnectionLimits(per_address=3)
    with serving(listening(connections=limits)) as api, ExitStack() as stack:
        for _ in range(3):
            assert ask(stack.enter_context(api.connect()), get()).status == 200

        reply = api.get()
        assert (reply.status, reply.headers["retry-after"]) == (429, "1")
        assert "too many connections from one address" in reply.message
        assert api.counted == [BorderReason.ONE_ADDRESS]
        stack.close()
        assert is_served_again(api)


def is_served_again(api: Serving) -> bool:
    """Wait until the server has seen that connections are closed."""
    return any(api.get().status == 200 for _ in range(1000))


def test_a_trusted_proxy_may_have_any_number_of_connections() -> None:
    limits = ConnectionLimits(per_address=3)
    trusting = listening(connections=limits, trusted="127.0.0.0/8")
    with serving(trusting) as api, ExitStack() as stack:
        for _ in range(10):
            assert ask(stack.enter_context(api.connect()), get()).status == 200


@pytest.mark.parametrize("begun", [b"", b"GET / HT", get()], ids=str)
def test_what_says_nothing_makes_room_for_a_new_connection(begun: bytes) -> None:
    limits = ConnectionLimits(in_all=5, lingering=timedelta(seconds=60))
    with serving(listening(connections=limits)) as api, ExitStack() as stack:
        silent = [stack.enter_context(api.connect()) for _ in range(5)]
        for each in silent:
            each.sendall(begun)
        if begun == get():
            assert all(answer(each).status == 200 for each in silent)

        for _ in range(3):  # each makes room for the next
            assert ask(stack.enter_context(api.connect()), get()).status == 200
        closed = [rest(each) for each in silent[:3]]
        assert all(is_quiet(each, 0.05) for each in silent[3:])
    told = 0 if begun == get() else 3  # one that is idle waits for no answer
    assert sum(b"503 Service Unavailable" in each for each in closed) == told
    assert api.counted == [BorderReason.CONNECTIONS] * told


@pytest.mark.parametrize(
    ("sent", "status"),
    [(b"junk\r\n\r\n", 400), (chunked("/", *[bytes(MIB)] * 2), 413)],
    ids=["head", "body"],
)
def test_a_refused_connection_makes_room_once_its_refusal_could_be_read(
    sent: bytes, status: int
) -> None:
    limits = ConnectionLimits(in_all=2, lingering=timedelta(seconds=60))
    with serving(listening(connections=limits)) as api, ExitStack() as stack:
        refused, idle = (stack.enter_context(api.connect()) for _ in range(2))
        assert ask(idle, get()).status == 200
        assert ask(refused, sent).status == status
        assert rest(refused) == b""  # it reads the end at once

        for _ in (idle, refused):  # in this order they make room
            stack.enter_context(api.connect()).sendall(get("/hold"))
            assert api.application.entered.acquire(timeout=5)
            assert rest(idle) == b""


def test_a_new_connection_is_refused_while_all_others_work() -> None:
    limits = ConnectionLimits(in_all=5)
    with serving(listening(connections=limits)) as api, ExitStack() as stack:
        working = [stack.enter_context(api.connect()) for _ in range(5)]
        for each in working:
            each.sendall(get("/hold"))
            assert api.application.entered.acquire(timeout=5)

        reply = api.get()
        assert (reply.status, reply.headers["retry-after"]) == (503, "1")
        assert "too many connections" in reply.message
        api.release()
        assert [answer(each).status for each in working] == [200] * 5
        assert api.get().status == 200


def test_refused_connections_are_bounded_too() -> None:
    limits = ConnectionLimits(in_all=1, lingering=timedelta(seconds=20))
    with serving(listening(connections=limits)) as api, ExitStack() as stack:
        stack.enter_context(api.connect()).sendall(get("/hold"))
        assert api.application.entered.acquire(timeout=5)

        refused = [stack.enter_context(api.connect()) for _ in range(80)]
        told = [bool(each.recv(1)) for each in refused[:64]]
        cut = [rest(each) for each in refused[64:]]
    assert all(told)
    assert cut == [b""] * 16


def test_a_refusal_is_read_by_a_client_that_goes_on_sending(api: Serving) -> None:
    with api.connect() as client:
        client.sendall(post("/", b"", length=2 * MIB))
        client.sendall(bytes(MIB))
        client.sendall(bytes(MIB))

        assert answer(client).status == 413


def test_a_client_that_never_reads_its_refusal_is_closed() -> None:
    limits = ConnectionLimits(lingering=SOON)
    with serving(listening(connections=limits)) as api, api.connect() as client:
        client.sendall(b"junk\r\n\r\n")

        assert send_on(client, bytes(1000)) < OFTEN
