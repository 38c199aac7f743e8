"""Handshake: TLS on a new connection, counted and timed like everything behind it.

A listening socket with TLS of asyncio's tells of a connection when its handshake is
done: those that never finish theirs would be counted nowhere.
"""

import asyncio
import os
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from uvicorn.protocols.utils import get_remote_addr

from keyrelay.api.border.connections import Admission
from keyrelay.api.border.protocol import Border
from keyrelay.api.border.requests import Crossing


@dataclass(slots=True, eq=False)
class Handshake(asyncio.Protocol):
    """Takes a connection in clear and hands it over to a Border, in TLS."""

    crossing: Crossing
    context: ssl.SSLContext
    tasks: set[asyncio.Task[None]]

    # A server's connections are such transports; uvloop's are no subclass.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        peer = get_remote_addr(transport)
        admission = self.crossing.connections.admit(peer[0] if peer else "")
        if admission is not None and admission.refusal is None:
            self._begin(transport, admission)
        elif admission is not None:
            admission.leave()  # to say why would cost the handshake that is refused
        # Nothing has been read yet: the copy of the socket has it all.
        transport.abort()

    def _begin(self, transport: asyncio.Transport, admission: Admission) -> None:
        loop = asyncio.get_running_loop()
        try:
            copy = os.dup(transport.get_extra_info("socket").fileno())
        except OSError:  # too many files are open, or the client is gone
            admission.leave()
            return
        plain = socket.socket(fileno=copy)
        plain.settimeout(0)
        task = loop.create_task(self._secure(plain, admission))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        # It has begun by then: one that has not would leave the socket open.
        admission.wait(partial(loop.call_soon, task.cancel))

    async def _secure(self, plain: socket.socket, admission: Admission) -> None:
        limits, is_done = self.crossing.limits, False
        try:
            # ssl.SSLError and TimeoutError are among them: TLS tells its peer itself.
            with suppress(OSError):
                await asyncio.get_running_loop().connect_accepted_socket(
                    partial(Border, self.crossing, admission),
                    plain,
                    ssl=self.context,
                    ssl_handshake_timeout=limits.head.within.total_seconds(),
                    ssl_shutdown_timeout=limits.connections.stalled.total_seconds(),
                )
                is_done = True
        finally:
            if not is_done:
                admission.leave()
