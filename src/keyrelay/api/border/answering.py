"""Answering: an answer's head and the first of its body go out together.

uvicorn writes one after the other: for a short answer two packets, each of which wakes
the client.
"""

import asyncio
from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class Answering(asyncio.Transport):
    """What one answer is written to, in front of the connection's own transport.

    What is written first goes out with what follows, or alone once the event loop is at
    its next turn: an event stream may have nothing to say for long.
    """

    connection: asyncio.Transport
    has_begun: bool = False
    head: bytes | None = None

    # A transport takes other kinds of bytes, too, which uvicorn does not write.
    def write(self, data: bytes) -> None:  # type: ignore[override]
        if not self.has_begun:
            self.has_begun, self.head = True, data
            asyncio.get_running_loop().call_soon(self.flush)
        elif self.head is not None:
            head, self.head = self.head, None
            self.connection.writelines([head, data])
        else:
            self.connection.write(data)

    def flush(self) -> None:
        """Write the head, if it still waits and the connection is open."""
        head, self.head = self.head, None
        if head is not None and not self.connection.is_closing():
            self.connection.write(head)

    def is_closing(self) -> bool:
        return self.connection.is_closing()

    def close(self) -> None:
        self.flush()
        self.connection.close()
