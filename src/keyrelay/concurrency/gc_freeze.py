"""Permanence: objects that stay for good, which the collector leaves alone."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def frozen_for_good() -> Iterator[None]:
    """Have Python's cycle collector never visit what is made in the block.

    A large view is millions of objects, none of them in a cycle. While they are made
    it would go through all of them again and again, and afterwards a trigger would
    pay for each definition there is. Of those replaced later, the memory is still
    given back: by their reference counts.
    """
    gc.collect()  # what is garbage by now would be kept for good, too
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()
    gc.freeze()
