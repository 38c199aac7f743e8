"""Server TLS: how a PostgreSQL server is verified where `sslmode` is `verify-full`.

The driver's own context takes the common name of a certificate for the server's name
and writes session keys to the file that SSLKEYLOGFILE names. The options and the files
are libpq's: https://www.postgresql.org/docs/current/libpq-ssl.html
"""

import os
import ssl
from collections.abc import Mapping
from pathlib import Path

from keyrelay.network.tls import (
    UnreadableCertificates,
    bundle_context,
    system_context,
)

VERIFIED = "verify-full"
SYSTEM = "system"  # in `sslrootcert`: the system's trust anchors
_FOLDER = Path("~/.postgresql")


class UnusableTls(Exception):
    """The options name no usable files; the message says which."""


def verified_context(options: Mapping[str, str]) -> ssl.SSLContext:
    """Return the context for these `ssl…` options. Raises UnusableTls."""
    roots = _file(options, "sslrootcert", "root.crt")
    if roots is None:
        raise UnusableTls(f"sslmode={VERIFIED} needs sslrootcert, a file or `{SYSTEM}`")
    try:
        context = (
            system_context(None) if roots == SYSTEM else bundle_context(Path(roots))
        )
    except UnreadableCertificates as fault:
        raise UnusableTls(f"sslrootcert cannot be read: {fault}") from None
    _present(context, options)
    _revoke(context, options)
    if (least := options.get("ssl_min_protocol_version")) is not None:
        context.minimum_version = _version(least)
    if (most := options.get("ssl_max_protocol_version")) is not None:
        context.maximum_version = _version(most)
    context.set_alpn_protocols(["postgresql"])
    return context


def _present(context: ssl.SSLContext, options: Mapping[str, str]) -> None:
    """Load the certificate with which we identify ourselves, if there is one."""
    ours = _file(options, "sslcert", "postgresql.crt")
    if ours is None:
        return
    key = _file(options, "sslkey", "postgresql.key")
    try:
        context.load_cert_chain(ours, key, lambda: options.get("sslpassword", ""))
    except OSError as error:  # ssl.SSLError is one
        raise UnusableTls(
            f"sslcert, sslkey or sslpassword cannot be used: {error.strerror}"
        ) from None


def _revoke(context: ssl.SSLContext, options: Mapping[str, str]) -> None:
    revoked = _file(options, "sslcrl", "root.crl")
    if revoked is None:
        return
    try:
        context.load_verify_locations(revoked)
    except OSError as error:
        raise UnusableTls(f"sslcrl cannot be read: {error.strerror}") from None
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN


def _version(text: str) -> ssl.TLSVersion:
    versions = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
    if text not in versions:
        raise UnusableTls("ssl_min_ and ssl_max_protocol_version take TLSv1.2 and 1.3")
    return versions[text]


def _file(options: Mapping[str, str], name: str, default: str) -> str | None:
    """Return what the option, its variable or libpq's default file names."""
    given = options.get(name) or os.environ.get(f"PG{name.upper()}")
    there = (_FOLDER / default).expanduser()
    return given or (str(there) if there.exists() else None)
