"""Connecting: a socket to an address that was looked at first."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta

from keyrelay.dispatchers.smtp.reply import Broken
from keyrelay.network.egress import Egress

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class AddressRefused(Exception):
    """The name leads to an address that egress does not permit."""


async def system_resolve(host: str, port: int) -> Sequence[str]:
    """Return all addresses of `host`; raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM
    )
    return [str(entry[4][0]) for entry in found]


@dataclass(frozen=True, slots=True, kw_only=True)
class Connector:
    """`within` bounds resolving a name, and each address by itself."""

    egress: Egress
    within: timedelta
    resolve: Resolve = system_resolve

    async def connect(self, host: str, port: int) -> socket.socket:
        """Return a socket to the first address that answers.

        Raises AddressRefused or Broken.
        """
        problem = "it has no address"
        for address in await self._addresses(host, port):
            try:
                return await self._reach(address, port)
            except OSError as error:
                problem = _words(error)
        raise Broken(f"smtp_server was not reached: {problem}")

    async def _addresses(self, host: str, port: int) -> Sequence[str]:
        """One refused address refuses the name: who has such a name means harm."""
        try:
            async with asyncio.timeout(self.within.total_seconds()):
                addresses = await self.resolve(host, port)
        except OSError as error:  # a time-out is one, too
            raise Broken(f"smtp_server was not resolved: {_words(error)}") from None
        for address in addresses:
            self._check(address)
        return addresses

    async def _reach(self, address: str, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with ExitStack() as unless_reached:
            line = socket.socket(family, socket.SOCK_STREAM)
            unless_reached.callback(line.close)
            line.settimeout(0)  # asyncio's own sockets do not block either
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(self.within.total_seconds()):
                # To the address that was checked: the name, resolved anew, may by
                # now lead elsewhere (DNS rebinding).
                await asyncio.get_running_loop().sock_connect(line, (address, port))
            self._check(str(line.getpeername()[0]))
            unless_reached.pop_all()
        return line

    def _check(self, address: str) -> None:
        if not self.egress.permits(address):
            raise AddressRefused(
                f"smtp_server resolves to {address}, which is not a public address;"
                " KEYRELAY_EGRESS_ALLOW allows networks by name"
            )


def _words(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, socket.gaierror) or error.errno is None:
        return error.strerror or type(error).__name__
    return os.strerror(error.errno)  # asyncio's own words hold the address
