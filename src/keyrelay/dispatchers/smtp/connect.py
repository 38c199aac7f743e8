"""Connecting: a TCP connection to an address that egress permits."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta

from keyrelay.dispatchers.smtp.reply import ConversationFailed
from keyrelay.network.egress import Egress

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class AddressRefused(Exception):
    """The host name has an address that egress does not permit."""


async def system_resolve(host: str, port: int) -> Sequence[str]:
    """Return all addresses of `host`. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM
    )
    return [str(entry[4][0]) for entry in found]


@dataclass(frozen=True, slots=True, kw_only=True)
class Connector:
    """Opens connections. `within` bounds resolving a name, and each address by itself.

    `resolve` returns all addresses of a host name, or raises OSError.
    """

    egress: Egress
    within: timedelta
    resolve: Resolve = system_resolve

    async def connect(self, host: str, port: int) -> socket.socket:
        """Return a connected, non-blocking socket to the first address that answers.

        Raises AddressRefused or ConversationFailed.
        """
        reason = "it has no address"
        for address in await self._addresses(host, port):
            try:
                return await self._connect_to(address, port)
            except OSError as error:
                reason = _reason(error)
        raise ConversationFailed(f"smtp_server was not reached: {reason}")

    async def _addresses(self, host: str, port: int) -> Sequence[str]:
        """Return the permitted addresses; one refused address refuses the name.

        A name with public and private addresses is a sign of an attack.
        """
        try:
            async with asyncio.timeout(self.within.total_seconds()):
                addresses = await self.resolve(host, port)
        except OSError as error:  # TimeoutError is one
            raise ConversationFailed(
                f"smtp_server was not resolved: {_reason(error)}"
            ) from None
        for address in addresses:
            self._check(address)
        return addresses

    async def _connect_to(self, address: str, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with ExitStack() as unless_connected:
            connection = socket.socket(family, socket.SOCK_STREAM)
            unless_connected.callback(connection.close)
            connection.settimeout(0)  # non-blocking, as asyncio requires
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(self.within.total_seconds()):
                # To the address that was checked: the name, resolved again, may have
                # another by now (DNS rebinding).
                await asyncio.get_running_loop().sock_connect(
                    connection, (address, port)
                )
            self._check(str(connection.getpeername()[0]))
            unless_connected.pop_all()
        return connection

    def _check(self, address: str) -> None:
        if not self.egress.permits(address):
            raise AddressRefused(
                f"smtp_server resolves to {address}, which is not a public address;"
                " KEYRELAY_EGRESS_ALLOW allows networks by name"
            )


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, socket.gaierror) or error.errno is None:
        return error.strerror or type(error).__name__
    return os.strerror(error.errno)  # asyncio's own message holds the address
