"""TLS: the contexts with which Keyrelay connects to servers.

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
