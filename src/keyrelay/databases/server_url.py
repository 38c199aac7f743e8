"""Server URL: how a PostgreSQL database is named, as libpq takes it.

Several hosts, a socket's folder, `postgres://`, and options in the query:
https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from keyrelay.databases.server_tls import SYSTEM, VERIFIED

SCHEMES = ("postgresql", "postgres")

# What asyncpg understands.
_TAKEN = frozenset(
    {
        *("host", "port", "dbname", "user", "password", "passfile", "service"),
        *(
            "application_name",
            "options",
            "target_session_attrs",
            "krbsrvname",
            "gsslib",
        ),
        *("sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl"),
        *("sslnegotiation", "ssl_min_protocol_version", "ssl_max_protocol_version"),
    }
)
# What changes nothing that Keyrelay promises, and is passed over.
_PASSED_OVER = frozenset(
    {
        *("connect_timeout", "fallback_application_name", "tcp_user_timeout"),
        *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"),
        *("sslcompression", "sslsni"),
    }
)
# What asks for something that is not done here, unless it asks for one of these.
_LIMITED: Mapping[str, frozenset[str]] = {
    "channel_binding": frozenset({"disable", "prefer"}),
    "client_encoding": frozenset({"auto", "utf8", "utf-8", "unicode"}),
    "gssencmode": frozenset({"disable", "prefer"}),
    "load_balance_hosts": frozenset({"disable"}),
}


class InvalidServerUrl(ValueError):
    """The URL names no server; the message says why, and quotes no password."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerUrl:
    """`dsn` is for the driver; `shown` is the URL without user, password and options.

    `tls` are the `ssl…` options of a server that is to be verified (server_tls.py);
    without any, the driver deals with TLS.
    """

    dsn: str
    shown: str
    has_password: bool
    tls: Mapping[str, str]


def is_server_url(url: str) -> bool:
    return url.partition(":")[0].partition("+")[0] in SCHEMES


def parse_server_url(url: str) -> ServerUrl:
    """Read a URL of libpq's form, or raise InvalidServerUrl.

    With several hosts and no `target_session_attrs`, the one that takes writes is
    looked for.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise InvalidServerUrl("a host in brackets is no IPv6 address") from None
    if parts.scheme.partition("+")[0] not in SCHEMES:
        raise InvalidServerUrl("a server's URL begins with postgresql://")
    options = _options(parts.query)
    login, at, named = parts.netloc.rpartition("@")
    hosts = named or options.get("host", "")
    _check_hosts(hosts, options.get("port", ""))
    if "," in hosts:
        options.setdefault("target_session_attrs", "read-write")
    tls = _take_tls(options)
    query = "&".join(f"{name}={quote(text, safe='')}" for name, text in options.items())
    database = parts.path.lstrip("/") or options.get("dbname", "")
    return ServerUrl(
        dsn=urlunsplit(("postgresql", login + at + named, parts.path, query, "")),
        shown=f"postgresql://{unquote(hosts)}/{database}",
        has_password=":" in login or "password" in options,
        tls=tls,
    )


def _options(query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for part in filter(None, query.split("&")):
        name, equals, text = part.partition("=")
        name, value = unquote(name), unquote(text)
        if not equals:
            raise InvalidServerUrl(f"option {name} has no value")
        if name in _TAKEN:
            options[name] = value
        elif name in _LIMITED:
            _check_limited(name, value)
        elif name not in _PASSED_OVER:
            raise InvalidServerUrl(f"there is no option {name}; leave it out")
    return options


def _take_tls(options: dict[str, str]) -> Mapping[str, str]:
    """Take the options of a verified server, which the driver would judge apart."""
    by_system = options.get("sslrootcert") == SYSTEM
    if by_system:
        options.setdefault("sslmode", VERIFIED)
    if options.get("sslmode") != VERIFIED:
        if by_system:
            raise InvalidServerUrl(f"sslrootcert={SYSTEM} needs sslmode={VERIFIED}")
        return {}
    files = {name for name in options if name.startswith("ssl")}
    files -= {"sslmode", "sslnegotiation"}
    taken = {name: options.pop(name) for name in sorted(files)}
    return {"sslmode": VERIFIED, **taken}


def _check_limited(name: str, value: str) -> None:
    if value.lower() not in _LIMITED[name]:
        known = " or ".join(sorted(_LIMITED[name]))
        raise InvalidServerUrl(f"{name}={value} cannot be kept here; take {known}")


def _check_hosts(hosts: str, ports: str) -> None:
    """Raise InvalidServerUrl unless each port is one."""
    named = [_port_of(host) for host in hosts.split(",")] + ports.split(",")
    for port in filter(None, named):
        if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
            raise InvalidServerUrl("a port is a number from 1 to 65535")


def _port_of(host: str) -> str:
    if host.startswith("/") or host.lower().startswith("%2f"):  # a socket's folder
        return host.rpartition(":")[2] if ":" in host else ""
    return host.rpartition("]")[2].partition(":")[2]
