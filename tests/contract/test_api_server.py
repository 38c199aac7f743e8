"""The API's server: where it listens, TLS, proxies, and how it stops."""

import asyncio
import logging
import os
import signal
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from struct import pack

import pytest
import trustme
import uvloop

from keyrelay.api.border.limits import BorderLimits, ConnectionLimits, HeadLimits
from keyrelay.api.listening import Listening, listening
from keyrelay.api.server import serve
from keyrelay.app.settings import InvalidSettings, Settings
from keyrelay.network.egress import parse_networks
from tests.contract.border_peer import (
    WHOLE,
    Application,
    Serving,
    answer,
    answers,
    ask,
    get,
    is_quiet,
    post,
    rest,
    serving,
)

SOON = timedelta(seconds=0.3)
LOCAL = Listening(host="127.0.0.1", port=0)


@pytest.fixture(scope="module")
def api() -> Iterator[Serving]:
    with serving(LOCAL) as served:
        yield served


@pytest.fixture(scope="module")
def certificate(
    authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("api")
    issued = authority.issue_cert("127.0.0.1")
    chain, key = folder / "api.pem", folder / "key.pem"
    chain.write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(str(key))
    return chain, key


@pytest.fixture
def secure(certificate: tuple[Path, Path]) -> Settings:
    chain, key = certificate
    return Settings(api="127.0.0.1:0", api_tls_certificate=chain, api_tls_key=key)


def found(settings: Settings) -> Listening:
    place = listening(settings)
    assert place is not None
    return place


# --- what stands on every answer


def test_answers_have_a_date_and_say_nothing_of_the_software(api: Serving) -> None:
    for reply in (api.get(), api.ask(b"junk\r\n\r\n")):
        assert "date" in reply.headers
        assert "server" not in reply.headers
        assert "uvicorn" not in str(reply)


def test_head_is_answered_as_get_is_without_the_body(api: Serving) -> None:
    with api.connect() as client:
        head = ask(client, get("/x").replace(b"GET", b"HEAD"))
        whole = ask(client, get("/x"))

    assert head.body == b""
    assert head.status == 200
    assert head.headers["content-length"] == str(len(whole.body))
    assert whole.document["method"] == "GET"


def test_the_head_of_a_stream_ends(api: Serving) -> None:
    with api.connect() as client:
        reply = ask(client, get("/events").replace(b"GET", b"HEAD"))

        assert reply.headers["content-type"].startswith("text/event-stream")
        assert api.application.left.acquire(timeout=5)
        assert ask(client, get()).status == 200


@pytest.mark.parametrize("method", [b"OPTIONS", b"DELETE", b"PATCH", b"PROPFIND"])
def test_other_methods_are_the_applications_to_answer(
    api: Serving, method: bytes
) -> None:
    reply = api.ask(get("/x").replace(b"GET", method))

    assert reply.document["method"] == method.decode()


def test_an_application_that_fails_has_an_answer(
    api: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    reply = api.get("/fail?token=p-canary")

    assert reply.status == 500
    assert "its log says where it happened" in reply.message
    assert "p-canary" not in caplog.text
    assert api.get().status == 200


def test_an_answer_that_fails_half_way_is_cut(api: Serving) -> None:
    with api.connect() as client:
        client.sendall(get("/half"))

        assert not rest(client).endswith(b"0\r\n\r\n")


def test_no_request_is_logged(api: Serving, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        api.get("/events?token=p-canary".replace("/events", "/x"))
        api.ask(get("/x?token=p-canary", "token: p-canary", "X"))

    assert "p-canary" not in caplog.text
    assert [each for each in caplog.records if "uvicorn" in each.name] == []


# --- proxies


def test_a_trusted_proxys_client_and_scheme_are_believed() -> None:
    trusting = Listening(
        host="127.0.0.1", port=0, trusted=parse_networks("127.0.0.0/8")
    )
    with serving(trusting) as api:
        reply = api.ask(
            get("/", "X-Forwarded-For: 1.2.3.4, 192.0.2.7", "X-Forwarded-Proto: https")
        )
        odd = api.ask(get("/", "X-Forwarded-Proto: gopher"))

    assert reply.document["client"] == ["192.0.2.7", 0]
    assert reply.document["scheme"] == "https"
    assert odd.document["scheme"] == "http"


def test_nobody_elses_forwarding_is_believed(api: Serving) -> None:
    reply = api.ask(get("/", "X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: https"))

    client = reply.document["client"]
    assert isinstance(client, list)
    assert client[0] == "127.0.0.1"
    assert reply.document["scheme"] == "http"


# --- where it listens


def test_an_address_that_is_taken_is_told_in_a_sentence(api: Serving) -> None:
    with serving(Listening(host="127.0.0.1", port=api.port)) as second:
        assert str(second.fault) == (
            f"the API cannot be served at http://127.0.0.1:{api.port}: it is taken;"
            " name another address in the setting `api` (KEYRELAY_API), or `off`"
        )


@pytest.mark.parametrize("host", ["192.0.2.1", "host.invalid"])
def test_an_address_that_is_not_ours_is_told_in_a_sentence(host: str) -> None:
    with serving(Listening(host=host, port=8473)) as api:
        assert "name another address in the setting `api`" in str(api.fault)


def test_it_listens_on_ipv6() -> None:
    with serving(found(Settings(api="[::1]:0"))) as api:
        assert api.url.startswith("http://[::1]:")
        assert api.get().status == 200


def test_it_listens_beyond_this_machine_only_if_tokens_are_safe(
    secure: Settings,
) -> None:
    for address in ("0.0.0.0:1", "[::]:1", "192.0.2.1:1", "host.example:1"):
        with pytest.raises(InvalidSettings, match="api_insecure=true"):
            listening(Settings(api=address))
        assert listening(Settings(api=address, api_insecure=True))
        assert listening(Settings(api=address, api_trusted_proxies=("10.0.0.0/8",)))
        assert listening(secure.model_copy(update={"api": address}))
    for address in ("127.0.0.1:1", "127.3.2.1:1", "localhost:1", "[::1]:1"):
        assert listening(Settings(api=address))
    assert listening(Settings(api="off")) is None


# --- TLS


@contextmanager
def secured(api: Serving, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    with (
        api.connect() as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as client,
    ):
        yield client


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_it_speaks_tls(
    secure: Settings, trusting: ssl.SSLContext, version: ssl.TLSVersion
) -> None:
    trusting.minimum_version = trusting.maximum_version = version
    with serving(found(secure)) as api:
        assert api.url.startswith("https://")
        for _ in range(20):  # the request may come with the end of the handshake
            with secured(api, trusting) as client:
                reply = ask(client, get())
                assert reply.document["scheme"] == "https"
                assert ask(client, post("/", bytes(100_000))).status == 200
                assert ask(client, b"junk\r\n\r\n").message


def test_a_client_that_ends_its_tls_is_gone(
    secure: Settings, trusting: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(found(secure)) as api, secured(api, trusting) as client:
        client.sendall(get("/hold"))
        assert api.application.entered.acquire(timeout=5)
        client.unwrap().close()
        api.release()

        assert api.application.left.acquire(timeout=5)
        assert api.application.endings == ["http.disconnect"]
    assert caplog.text == ""


def test_a_client_that_does_not_end_its_tls_is_cut_off(
    secure: Settings, trusting: ssl.SSLContext
) -> None:
    limits = BorderLimits(connections=ConnectionLimits(lingering=SOON))
    place = Listening(host="127.0.0.1", port=0, tls=found(secure).tls, limits=limits)
    with serving(place) as api, secured(api, trusting) as client:
        assert ask(client, get("/", "Connection: close")).status == 200

        assert is_cut_off(client)


def is_cut_off(client: ssl.SSLSocket) -> bool:
    """Return whether the connection ends though its client's TLS does not."""
    assert rest(client) == b""
    with socket.socket(fileno=os.dup(client.fileno())) as plain:
        plain.settimeout(5)  # without the border it would stay for thirty
        return rest(plain) == b""


def test_it_refuses_older_versions(secure: Settings, trusting: ssl.SSLContext) -> None:
    trusting.set_ciphers("ALL:@SECLEVEL=0")
    for offered in ("minimum_version", "maximum_version"):
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            setattr(trusting, offered, ssl.TLSVersion.TLSv1_1)
    with (
        serving(found(secure)) as api,
        pytest.raises(OSError, match="SSL"),
        secured(api, trusting),
    ):
        pass


@pytest.mark.parametrize("begun", [b"", b"\x16\x03\x01", get()], ids=str)
def test_a_handshake_that_does_not_end_is_closed(
    secure: Settings, trusting: ssl.SSLContext, begun: bytes
) -> None:
    limits = BorderLimits(head=HeadLimits(within=SOON))
    place = Listening(host="127.0.0.1", port=0, tls=found(secure).tls, limits=limits)
    with serving(place) as api, api.connect() as silent:
        silent.sendall(begun)

        rest(silent)  # until it is closed
        with secured(api, trusting) as client:
            assert ask(client, get()).status == 200


def test_handshakes_are_counted_and_make_room(
    secure: Settings, trusting: ssl.SSLContext
) -> None:
    limits = BorderLimits(connections=ConnectionLimits(in_all=5, per_address=99))
    place = Listening(host="127.0.0.1", port=0, tls=found(secure).tls, limits=limits)
    with serving(place) as api, ExitStack() as stack:
        silent = [stack.enter_context(api.connect()) for _ in range(5)]

        with secured(api, trusting) as client:
            assert ask(client, get()).status == 200
            assert rest(silent[0]) == b""
            assert all(is_quiet(each, 0.05) for each in silent[1:])


def test_what_says_nothing_after_its_handshake_makes_room(
    secure: Settings, trusting: ssl.SSLContext
) -> None:
    limits = BorderLimits(connections=ConnectionLimits(in_all=3, lingering=SOON))
    place = Listening(host="127.0.0.1", port=0, tls=found(secure).tls, limits=limits)
    with serving(place) as api, ExitStack() as stack:
        silent = [stack.enter_context(secured(api, trusting)) for _ in range(3)]

        with secured(api, trusting) as client:
            assert ask(client, get()).status == 200
            assert answer(silent[0]).status == 503
            assert is_cut_off(silent[0])
            assert [ask(each, get()).status for each in silent[1:]] == [200, 200]


def test_one_addresses_handshakes_are_counted(
    secure: Settings, trusting: ssl.SSLContext
) -> None:
    limits = BorderLimits(connections=ConnectionLimits(per_address=2))
    place = Listening(host="127.0.0.1", port=0, tls=found(secure).tls, limits=limits)
    with serving(place) as api, ExitStack() as stack:
        silent = [stack.enter_context(api.connect()) for _ in range(2)]
        with api.connect() as third:
            assert rest(third) == b""
        assert all(is_quiet(each, 0.05) for each in silent)


def test_handshakes_that_fail_give_their_places_back(
    secure: Settings, trusting: ssl.SSLContext
) -> None:
    limits = BorderLimits(connections=ConnectionLimits(per_address=2))
    place = Listening(host="127.0.0.1", port=0, tls=found(secure).tls, limits=limits)
    with serving(place) as api:
        for _ in range(5):
            with api.connect() as wrong:
                wrong.sendall(get())
                rest(wrong)

        with secured(api, trusting) as client:
            assert ask(client, get()).status == 200


def test_a_certificate_and_its_key_go_together(
    certificate: tuple[Path, Path], authority: trustme.CA, tmp_path: Path
) -> None:
    chain, key = certificate
    other = tmp_path / "other.pem"
    authority.issue_cert("127.0.0.1").private_key_pem.write_to_path(str(other))
    for words, of_chain, of_key in (
        ("one needs the other", chain, None),
        ("one needs the other", None, key),
        ("the key belongs to another certificate", chain, other),
        ("a PEM certificate and its unencrypted PEM key", key, chain),
        ("No such file", chain, tmp_path / "missing"),
    ):
        settings = Settings(api_tls_certificate=of_chain, api_tls_key=of_key)
        with pytest.raises(InvalidSettings, match=words):
            listening(settings)


# --- the end


def test_it_minds_no_signal() -> None:
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(each) for each in signals]

    with serving(LOCAL) as api:
        assert api.get().status == 200
        assert [signal.getsignal(each) for each in signals] == before


def test_what_was_accepted_is_answered_when_it_stops() -> None:
    with serving(LOCAL) as api, ExitStack() as stack:
        held, sending, idle = (stack.enter_context(api.connect()) for _ in range(3))
        assert ask(idle, get()).status == 200
        held.sendall(get("/hold"))
        assert api.application.entered.acquire(timeout=5)
        sending.sendall(post("/hold", b"a", length=2))
        assert api.application.entered.acquire(timeout=5)

        api.stop()
        assert rest(idle) == b""
        with pytest.raises(ConnectionError):
            api.connect().close()
        api.release()
        sending.sendall(b"b")

        assert [each.headers["connection"] for each in answers(held)] == ["close"]
        assert [each.document["length"] for each in answers(sending)] == [2]


def test_a_connection_that_comes_as_it_stops_is_answered_and_closed() -> None:
    held, faults = Application(), list[object]()

    async def come() -> bytes:
        asyncio.get_running_loop().set_exception_handler(
            lambda _, it: faults.append(it)
        )
        async with serve(held, LOCAL, stop := asyncio.Event()) as url:
            port = int(url.rpartition(":")[2])
            _, first = await asyncio.open_connection("127.0.0.1", port)
            first.write(get("/hold"))
            assert await asyncio.to_thread(held.entered.acquire, timeout=5)
            try:
                return await come_late(port, stop)
            finally:
                held.release.set()
                first.close()

    assert uvloop.run(come()).startswith(b"HTTP/1.1 200 OK")
    assert faults == []


def test_a_connection_that_comes_when_all_others_are_closed_is_no_fault() -> None:
    faults: list[object] = []

    async def come() -> bytes:
        asyncio.get_running_loop().set_exception_handler(
            lambda _, it: faults.append(it)
        )
        async with serve(Application(), LOCAL, stop := asyncio.Event()) as url:
            return await come_late(int(url.rpartition(":")[2]), stop)

    assert uvloop.run(come()).count(b"HTTP/1.1 ") <= 1
    assert faults == []


async def come_late(port: int, stop: asyncio.Event) -> bytes:
    """Return what is read on a connection that the server learns of as it stops."""
    late = socket.create_connection(("127.0.0.1", port))
    stop.set()
    reader, writer = await asyncio.open_connection(sock=late)
    writer.write(get())
    try:
        return await asyncio.wait_for(reader.read(), 5)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def test_an_answer_is_sent_to_its_end_when_others_are_gone_as_it_stops() -> None:
    with serving(LOCAL) as api, ExitStack() as stack:
        idle, reading = (stack.enter_context(api.connect()) for _ in range(2))
        assert ask(idle, get()).status == 200
        reading.sendall(get("/whole", "Connection: close"))
        assert not is_quiet(reading, 5)

        api.stop()
        assert rest(idle) == b""
        assert len(rest(reading)) > WHOLE


def test_an_event_stream_ends_when_it_stops() -> None:
    with serving(LOCAL) as api, api.connect() as client:
        client.sendall(get("/events"))
        assert api.application.entered.acquire(timeout=5)
        api.stop()

        assert rest(client).endswith(b"data: 1\n\n\r\n0\r\n\r\n")
        assert api.application.endings == ["http.disconnect"]


def test_what_takes_longer_than_the_grace_is_cut_off() -> None:
    place = Listening(host="127.0.0.1", port=0, grace=SOON)
    with serving(place) as api, ExitStack() as stack:
        held, unread = (stack.enter_context(api.connect()) for _ in range(2))
        held.sendall(get("/hold"))
        unread.sendall(get("/large"))
        assert api.application.entered.acquire(timeout=5)
        api.stop()

        assert [each.status for each in answers(held)] == [500]


def test_work_whose_client_is_gone_is_finished_when_it_stops() -> None:
    with serving(LOCAL) as api:
        with api.connect() as client:
            client.sendall(get("/hold"))
            assert api.application.entered.acquire(timeout=5)
            # It is reset: a client that only sends no more may wait for its answer.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack("ii", 1, 0))
        api.stop()
        assert not api.application.left.acquire(timeout=SOON.total_seconds())
        api.release()

        assert api.application.left.acquire(timeout=5)


def test_handshakes_under_way_do_not_hold_up_its_end(secure: Settings) -> None:
    with serving(found(secure)) as api, api.connect() as silent:
        silent.sendall(b"\x16")
        assert is_quiet(silent, 0.05)
        api.stop()

        assert rest(silent) == b""
