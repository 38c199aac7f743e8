"""TLS: what no environment variable, file or old server can weaken."""

import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

import keyrelay
from keyrelay.databases.server_tls import verified_context
from keyrelay.dispatchers.smtp.starttls import tls_context
from keyrelay.dispatchers.sqs import client
from keyrelay.network.tls import (
    UnreadableCertificates,
    bundle_context,
    server_context,
    system_context,
)
from keyrelay.sources.kafka.connecting import connection
from tests.contract.certificates import named_by_common_name


def of_mail() -> ssl.SSLContext:
    return tls_context(None)


def of_queues() -> ssl.SSLContext:
    _, context = client._prepare()
    assert isinstance(context, ssl.SSLContext)
    return context


def of_kafka() -> ssl.SSLContext:
    return connection.tls_context(None)


def of_postgresql() -> ssl.SSLContext:
    return verified_context({"sslrootcert": "system"})


each_connection = pytest.mark.parametrize(
    "make",
    [of_mail, of_queues, of_kafka, of_postgresql],
    ids=["mail", "queues", "kafka", "postgresql"],
)


@each_connection
def test_session_keys_are_written_to_no_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, make: Callable[[], ssl.SSLContext]
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))

    assert make().keylog_filename is None


@each_connection
def test_names_and_certificates_are_checked_and_old_versions_refused(
    make: Callable[[], ssl.SSLContext],
) -> None:
    context = make()

    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.get_ca_certs() or context.cert_store_stats()["x509_ca"]


@pytest.mark.parametrize("make", [system_context, bundle_context])
@pytest.mark.parametrize("content", [None, b"", b"not PEM"], ids=repr)
def test_a_file_that_holds_no_certificates_is_refused(
    tmp_path: Path,
    make: Callable[[Path], ssl.SSLContext],
    content: bytes | None,
) -> None:
    file = tmp_path / "authorities.pem"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(UnreadableCertificates):
        make(file)


def test_we_serve_tls_1_2_and_newer(server_certificate: Path) -> None:
    context = server_context(server_certificate, server_certificate)

    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_RENEGOTIATION


def test_a_key_with_a_password_is_refused_and_nobody_is_asked(
    server_certificate: Path, tmp_path: Path
) -> None:
    key = serialization.load_pem_private_key(server_certificate.read_bytes(), None)
    sealed = tmp_path / "key.pem"
    sealed.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"hunter2"),
        )
    )

    with pytest.raises(UnreadableCertificates, match="unencrypted"):
        server_context(server_certificate, sealed)


def test_a_key_of_another_certificate_and_a_missing_one_are_told(
    server_certificate: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )

    with pytest.raises(UnreadableCertificates, match="another certificate"):
        server_context(server_certificate, other)
    with pytest.raises(UnreadableCertificates, match="No such file"):
        server_context(server_certificate, tmp_path / "missing.pem")


def test_client_contexts_are_made_in_one_place() -> None:
    sources = Path(keyrelay.__file__).parent
    makers = [
        str(path.relative_to(sources))
        for path in sources.rglob("*.py")
        if "ssl.SSLContext(" in path.read_text()
    ]

    assert makers == ["network/tls.py"]


@each_connection
@pytest.mark.parametrize("host", ["mail.example.com", "127.0.0.1"])
def test_a_server_that_only_the_common_name_names_is_refused(
    tmp_path: Path, make: Callable[[], ssl.SSLContext], host: str
) -> None:
    authority, chain = named_by_common_name(host)
    (tmp_path / "chain.pem").write_bytes(chain)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(tmp_path / "chain.pem")
    context = make()
    context.load_verify_locations(cadata=authority)

    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        shake_hands(context, serving, host)


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, host: str) -> None:
    """Let both sides read what the other wrote until the client is content."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname=host)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    for side in (ours, theirs, ours):
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()
