"""Together: commands that do not need each other, as many at once as cores."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def together(calls: Iterable[Callable[[], T]]) -> list[T]:
    """Return what each call returned, in their order."""
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        begun = [threads.submit(call) for call in calls]
        return [each.result() for each in begun]
