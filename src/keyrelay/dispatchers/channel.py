"""Channel: one way to act, as each folder of dispatchers registers it."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from keyrelay.model.action import ActionType
from keyrelay.model.service_call import ServiceType
from keyrelay.ports import Dispatcher


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A type of actions, and the dispatcher that performs them.

    `open` opens the dispatcher for as long as a worker runs; None, its actions need no
    secret, and are performed by what asks for runs. The libraries that it needs are
    imported only then, as most commands just read definitions. `service` is what
    scripts may ask of it; None, nothing.
    """

    action: ActionType
    open: Callable[[], AbstractAsyncContextManager[Dispatcher]] | None
    service: ServiceType | None = None
