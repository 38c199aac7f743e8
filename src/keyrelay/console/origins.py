"""Origins: which requests come from the console's own pages.

A browser names the page that a form was sent from (Origin, RFC 6454; Sec-Fetch-Site,
W3C Fetch Metadata), and no page can make it lie. The name that the server was called by
is checked, too: a foreign name that leads here (DNS rebinding) would be an origin of
its own, with cookies of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origins:
    """`url` is where people reach the API; on loopback, by any of its names."""

    url: str

    def is_host(self, host: str, scheme: str) -> bool:
        """Tell whether the server may be called by what the header Host says."""
        return f"{scheme}://{host}".lower() in self._allowed or self._is_local(host)

    def is_own(self, headers: Mapping[str, str], host: str, scheme: str) -> bool:
        """Tell whether a form was sent from a page of this console."""
        origin = headers.get("origin", "null")
        if origin == "null":
            return headers.get("sec-fetch-site") == "same-origin"
        return origin.lower() == f"{scheme}://{host}".lower()

    @property
    def _allowed(self) -> frozenset[str]:
        url = urlsplit(self.url)
        hosts = {url.netloc.lower()}
        if url.port in (None, _PORTS[url.scheme]):
            name = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
            hosts |= {f"{name}", f"{name}:{_PORTS[url.scheme]}"}
        return frozenset(f"{url.scheme}://{host}" for host in hosts)

    def _is_local(self, host: str) -> bool:
        """Tell whether both are loopback, which no foreign name leads a browser to."""
        return _is_loopback(urlsplit(self.url)) and _is_loopback(urlsplit(f"//{host}"))


def _is_loopback(url: SplitResult) -> bool:
    name = url.hostname or ""
    if name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
