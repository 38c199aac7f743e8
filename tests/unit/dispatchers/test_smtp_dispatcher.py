"""The dispatcher of mails: what it does beside the event loop."""

import asyncio

import pytest

from keyrelay.dispatchers.smtp.compose import compose
from keyrelay.dispatchers.smtp.dispatcher import _composed
from tests.contract.smtp_peer import mail


@pytest.mark.parametrize(
    ("size", "within"), [(1000, True), (1024 * 1024, False)], ids=["small", "large"]
)
async def test_a_large_mail_is_composed_beside_the_event_loop(
    size: int, *, within: bool
) -> None:
    given = mail(text="ü" * size)

    task = asyncio.create_task(_composed(given))
    await asyncio.sleep(0)  # once for the task to begin

    assert task.done() == within
    assert await task == compose(given)
