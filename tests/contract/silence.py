"""Silence: a way to a server on which what is said may arrive late, or not at all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.services import loopback


@dataclass(slots=True, kw_only=True)
class Way:
    """A port that leads to the server. What may not pass waits.

    No answer passes once `unanswered` was said; then `silenced` is set.
    """

    port: int
    unanswered: bytes | None = None
    silenced: asyncio.Event = field(default_factory=asyncio.Event)
    _questions: asyncio.Event = field(default_factory=asyncio.Event)
    _answers: asyncio.Event = field(default_factory=asyncio.Event)

    def fall_silent(self) -> None:
        self._questions.clear()
        self._answers.clear()

    def speak_again(self) -> None:
        self.unanswered = None
        self._questions.set()
        self._answers.set()

    async def ask(self, said: bytes) -> None:
        """Return once it may be passed on to the server."""
        await self._questions.wait()
        if self.unanswered is not None and self.unanswered in said:
            self._answers.clear()
            self.silenced.set()

    async def answer(self, _: bytes) -> None:
        await self._answers.wait()


@asynccontextmanager
async def way_to(server: int) -> AsyncIterator[Way]:
    way = Way(port=loopback.free_port())
    way.speak_again()
    passing = set[asyncio.Task[None]]()

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, questions = await asyncio.open_connection(loopback.HOST, server)

        async def pass_on_questions() -> None:
            while said := await reader.read(65536):
                await way.ask(said)
                questions.write(said)
            questions.close()

        async def pass_on_answers() -> None:
            while said := await answers.read(65536):
                await way.answer(said)
                writer.write(said)
            writer.close()

        passing.add(asyncio.create_task(pass_on_questions()))
        passing.add(asyncio.create_task(pass_on_answers()))

    listening = await asyncio.start_server(join, loopback.HOST, way.port)
    try:
        yield way
    finally:
        listening.close()
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)
