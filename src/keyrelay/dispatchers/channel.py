"""Channel: one way to act, as a folder of dispatchers offers it."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from keyrelay.model.action import ActionType
from keyrelay.ports import Dispatcher


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """What administrators write for it, and what performs it.

    `open` gives the dispatcher for as long as a worker runs; the libraries that it
    needs are loaded there and not before, since most commands only read definitions.
    """

    action: ActionType
    open: Callable[[], AbstractAsyncContextManager[Dispatcher]]
