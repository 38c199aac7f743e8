"""GC freeze: keeps long-lived objects out of Python's cycle collector."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def frozen_for_good() -> Iterator[None]:
    """Exempt what is made in the block from Python's cycle collector (gc.freeze).

    A large catalog is millions of objects, none of them in a cycle. The collector would
    visit them all again and again while they are made, and later while triggers are
    attempted. Objects that are replaced later are still freed, by reference counts.
    """
    gc.collect()  # garbage that is frozen would never be collected
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()
    gc.freeze()
