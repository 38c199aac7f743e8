"""Domains: the names of mail servers and of addresses, in ASCII."""

import ipaddress
import re
from unicodedata import normalize

import idna

from keyrelay.model.credentials import require_printable
from keyrelay.model.documents import InvalidDefinition

# Underscores are in no host name (RFC 1123), and in names that people use.
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_LONGEST = 253
# Resolvers read 127.1, 0x7f.1 and 2130706433 as loopback addresses.
_NUMERIC = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9a-fA-F]*)")

_SERVER = "smtp_server must be a host name like mail.example.com"
# What people write instead, and what to write.
_INSTEAD = (
    (
        re.compile(r".*/.*"),
        "not a URL: leave out smtp:// before the name and all that follows it",
    ),
    (re.compile(r".*@.*"), "not a mail address, which belongs in username"),
    (
        re.compile(r"(?:\[.*\]|[^:]*):[^:]*"),
        "without a port: what follows the colon belongs in smtp_port",
    ),
    (re.compile(r"\[.*\]"), "or an IP address without brackets"),
    (re.compile(r".*\s.*"), "without blanks before, in or after it"),
)


class NoDomain(ValueError):
    """The text is no domain; the message says why, and quotes nothing of it."""


def a_labels(domain: str) -> str:
    """Return the domain in ASCII (IDNA 2008), or raise NoDomain."""
    if not domain.isascii():
        try:
            domain = idna.encode(normalize("NFC", domain.lower())).decode()
        except idna.IDNAError:
            raise NoDomain("has a domain that IDNA 2008 does not allow") from None
    if not _DOMAIN.fullmatch(domain) or len(domain) > _LONGEST:
        raise NoDomain("has no domain like example.com after its @")
    return domain


def require_server(value: object) -> str:
    """Return a host name, in ASCII, or an IP address in its usual form.

    Raises InvalidDefinition, also for what a resolver may read as another address.
    """
    server = require_printable(value, "smtp_server")
    if _is_address(server):
        return server
    for form, what in _INSTEAD:
        if form.fullmatch(server):
            raise InvalidDefinition(f"{_SERVER}, {what}")
    name, dot = server.removesuffix("."), server.endswith(".")
    try:
        name = a_labels(name)
    except NoDomain:
        raise InvalidDefinition(_SERVER) from None
    if _NUMERIC.fullmatch(name):
        raise InvalidDefinition(_SERVER)
    return f"{name}." if dot else name


def _is_address(server: str) -> bool:
    try:
        return str(ipaddress.ip_address(server)) == server.lower()
    except ValueError:
        return False
