"""Answering: one packet for a short answer, and no head that waits for long."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from keyrelay.api.border.answering import Answering
from tests.fakes import settled


@dataclass(slots=True, eq=False)
class Line(asyncio.Transport):
    """Keeps what was written together."""

    sent: list[bytes] = field(default_factory=list)
    closed: bool = False

    def write(self, data: bytes) -> None:  # type: ignore[override]
        assert not self.closed
        self.sent.append(data)

    def writelines(self, list_of_data: Iterable[bytes]) -> None:  # type: ignore[override]
        self.write(b"".join(list_of_data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


async def test_the_head_and_the_first_of_the_body_go_out_together() -> None:
    line = Line()
    answering = Answering(line)

    for part in (b"head", b"one", b"two"):
        answering.write(part)
    await settled()

    assert line.sent == [b"headone", b"two"]


async def test_a_head_that_nothing_follows_goes_out_alone() -> None:
    line = Line()
    answering = Answering(line)

    answering.write(b"head")
    await settled()
    answering.write(b"much later")

    assert line.sent == [b"head", b"much later"]


async def test_a_head_goes_out_before_its_connection_is_closed() -> None:
    line = Line()
    answering = Answering(line)

    answering.write(b"head")
    answering.close()
    await settled()

    assert line.sent == [b"head"]
    assert answering.is_closing()


async def test_nothing_is_written_to_a_connection_that_is_closed() -> None:
    line = Line()
    answering = Answering(line)

    answering.write(b"head")
    line.close()
    await settled()

    assert line.sent == []
