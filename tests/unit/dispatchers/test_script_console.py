"""The console of a run: scrubbed, in batches, and nothing left out in silence."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest

from keyrelay.dispatchers.script.console import (
    EACH,
    TOGETHER,
    ConsoleWriter,
    writing_console,
)
from keyrelay.model.console import ConsoleLine
from keyrelay.model.secret import SecretValue
from keyrelay.ports import Unavailable
from tests.fakes import Clock, begun, settled
from tests.samples import NOON

SECRET = SecretValue('{"smtp_server": "mail.example.com", "password": "swordfish"}')


@dataclass
class Shelf:
    """Keeps batches; `gate` is closed while it takes its time.

    It refuses them while `refuses`, or one of them, if `is_once`.
    """

    batches: list[Sequence[ConsoleLine]] = field(default_factory=list)
    refuses: bool = False
    is_once: bool = False
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def keep(self, lines: Sequence[ConsoleLine]) -> None:
        await self.gate.wait()
        if self.refuses:
            self.refuses = not self.is_once
            raise Unavailable("the disk is full")
        self.batches.append(lines)

    @property
    def texts(self) -> list[str]:
        return [line.text for batch in self.batches for line in batch]


@pytest.fixture
def clock() -> Clock:
    return Clock(time=NOON)


@pytest.fixture
def shelf() -> Shelf:
    shelf = Shelf()
    shelf.gate.set()
    return shelf


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def console(shelf: Shelf, clock: Clock, stack: AsyncExitStack) -> ConsoleWriter:
    """One that ends at the test's end, or with the stack."""
    opened = writing_console([SECRET], shelf.keep, clock.world())
    return await stack.enter_async_context(opened)


async def a_while(clock: Clock) -> None:
    await clock.until_asleep(EACH)
    clock.advance(EACH)
    await settled()


async def take(console: ConsoleWriter, *texts: str) -> None:
    for text in texts:
        await console.take(text)


async def test_what_comes_within_a_fifth_of_a_second_is_one_batch(
    console: ConsoleWriter, shelf: Shelf, clock: Clock
) -> None:
    await take(console, "one", "two")
    assert shelf.batches == []
    await a_while(clock)

    assert shelf.batches == [
        [ConsoleLine(at=NOON, text="one"), ConsoleLine(at=NOON, text="two")]
    ]
    await take(console, "three")
    await a_while(clock)
    assert shelf.texts == ["one", "two", "three"]


async def test_a_hundred_lines_are_a_batch_at_once(
    console: ConsoleWriter, shelf: Shelf
) -> None:
    texts = [str(n) for n in range(TOGETHER)]

    await take(console, *texts)

    assert [len(batch) for batch in shelf.batches] == [TOGETHER]
    assert shelf.texts == texts


async def test_values_are_masked_in_what_is_kept_and_in_the_last_lines(
    console: ConsoleWriter, shelf: Shelf, stack: AsyncExitStack
) -> None:
    await take(console, "to mail.example.com", "with swor", "dfish, and", "so on")
    await stack.aclose()

    shown = ["to mail.example.com", "with ***", "***, and", "so on"]
    assert shelf.texts == shown
    assert [*console.last_lines] == shown


async def test_at_the_end_all_is_kept(
    console: ConsoleWriter, shelf: Shelf, stack: AsyncExitStack
) -> None:
    await take(console, "one", "held: swordf")

    await stack.aclose()

    assert shelf.texts == ["one", "held: swordf"]


async def test_a_run_that_fails_leaves_its_lines(shelf: Shelf, clock: Clock) -> None:
    async def run() -> None:
        async with writing_console([], shelf.keep, clock.world()) as console:
            await console.take("last words")
            raise LookupError

    with pytest.raises(LookupError):
        await run()
    assert shelf.texts == ["last words"]


async def test_a_script_that_prints_faster_than_is_kept_waits(
    console: ConsoleWriter, shelf: Shelf
) -> None:
    shelf.gate.clear()
    printing = await begun(take(console, *map(str, range(3 * TOGETHER))))
    await settled()

    assert not printing.done()
    assert len(console._waiting.lines) <= TOGETHER

    shelf.gate.set()
    await printing
    assert len(shelf.texts) == 3 * TOGETHER


async def test_what_could_not_be_kept_is_counted_in_its_place(
    console: ConsoleWriter, shelf: Shelf, clock: Clock, stack: AsyncExitStack
) -> None:
    await take(console, "before")
    await a_while(clock)
    shelf.refuses = True
    await take(console, "lost", "lost")
    await a_while(clock)
    shelf.refuses = False
    await take(console, "after")
    await a_while(clock)
    await stack.aclose()

    assert shelf.texts == ["before", "(2 lines were left out here)", "after"]


async def test_while_nothing_is_kept_the_script_goes_on(
    console: ConsoleWriter, shelf: Shelf, clock: Clock, stack: AsyncExitStack
) -> None:
    shelf.refuses = True
    await take(console, "lost")
    await a_while(clock)
    shelf.gate.clear()

    # It would wait here for ever.
    await take(console, *["lost"] * (3 * TOGETHER))
    shelf.refuses = False
    shelf.gate.set()
    await stack.aclose()

    assert shelf.texts == [f"({3 * TOGETHER + 1} lines were left out here)"]


async def test_the_last_line_says_how_many_the_last_batch_had(
    console: ConsoleWriter, shelf: Shelf, stack: AsyncExitStack
) -> None:
    shelf.refuses = shelf.is_once = True
    await take(console, "one", "two")
    await stack.aclose()

    assert shelf.texts == ["(2 lines were left out here)"]


async def test_where_not_even_that_can_be_kept_the_log_says_so(
    console: ConsoleWriter,
    shelf: Shelf,
    stack: AsyncExitStack,
    caplog: pytest.LogCaptureFixture,
) -> None:
    shelf.refuses = True
    await take(console, "one", "two")
    await stack.aclose()

    (record,) = [each for each in caplog.records if "not kept" in each.message]
    assert record.__dict__["lines"] == 2
    assert [*console.last_lines] == ["one", "two"]


async def test_a_batch_that_is_cut_off_is_counted(
    console: ConsoleWriter, shelf: Shelf, stack: AsyncExitStack
) -> None:
    shelf.gate.clear()
    printing = await begun(take(console, *["lost"] * TOGETHER))
    await settled()
    printing.cancel()
    await asyncio.wait([printing])
    shelf.gate.set()
    await take(console, "after")
    await stack.aclose()

    assert shelf.texts == [f"({TOGETHER} lines were left out here)", "after"]


async def test_the_end_waits_for_the_batch_under_way(
    console: ConsoleWriter, shelf: Shelf, clock: Clock, stack: AsyncExitStack
) -> None:
    shelf.gate.clear()
    await take(console, "one")
    await clock.until_asleep(EACH)
    clock.advance(EACH)
    await settled()
    ending = await begun(stack.aclose())
    await settled()
    assert not ending.done()

    shelf.gate.set()
    await ending

    assert shelf.texts == ["one"]


async def test_an_idle_console_does_nothing(
    console: ConsoleWriter, shelf: Shelf, clock: Clock, stack: AsyncExitStack
) -> None:
    await settled()
    await stack.aclose()

    assert not clock._sleeps
    assert shelf.batches == []
