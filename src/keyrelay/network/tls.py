"""TLS: the contexts with which Keyrelay connects to servers, and serves.

Every client context is made here, so that each checks the server's certificate and host
name (RFC 9525), refuses versions older than TLS 1.2 (RFC 8996) and writes its session
keys to no file. `ssl.create_default_context` would write them to the file that the
environment variable SSLKEYLOGFILE names; with that file the sessions can be decrypted.
"""

import ssl
from pathlib import Path


class UnreadableCertificates(Exception):
    """A file of trusted certificates cannot be read; the message says why."""


def system_context(ca_file: Path | None) -> ssl.SSLContext:
    """Trust the system's authorities and those in `ca_file` (PEM).

    Raises UnreadableCertificates.
    """
    context = _strict_context()
    context.load_default_certs()
    if ca_file is not None:
        _trust(context, ca_file)
    return context


def bundle_context(ca_file: Path) -> ssl.SSLContext:
    """Trust only the authorities in `ca_file` (PEM). Raises UnreadableCertificates."""
    context = _strict_context()
    _trust(context, ca_file)
    return context


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Serve with the chain in `certificate` and its private key (PEM).

    Raises UnreadableCertificates.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    # Renegotiation (TLS 1.2) costs a server more than a client.
    context.options |= ssl.OP_NO_RENEGOTIATION
    try:
        # Without a password OpenSSL would ask the terminal for that of a sealed key.
        context.load_cert_chain(certificate, key, password=b"")
    except ssl.SSLError as error:
        raise UnreadableCertificates(_unfit(error)) from None
    except OSError as error:
        raise UnreadableCertificates(error.strerror or str(error)) from None
    return context


def _unfit(error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return "the key belongs to another certificate"
    return "a PEM certificate and its unencrypted PEM key are expected"


def _strict_context() -> ssl.SSLContext:
    # PROTOCOL_TLS_CLIENT requires a valid certificate and checks the host name.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # RFC 9525 section 2: a certificate names its server among its alternative names.
    context.hostname_checks_common_name = False
    return context


def _trust(context: ssl.SSLContext, ca_file: Path) -> None:
    try:
        context.load_verify_locations(ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise UnreadableCertificates(error.strerror or str(error)) from None
