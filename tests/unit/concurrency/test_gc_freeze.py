"""Permanence: what the cycle collector leaves alone, and what it goes on to collect."""

import gc
from collections.abc import Iterator
from weakref import ref

import pytest

from keyrelay.concurrency.gc_freeze import frozen_for_good


class Knot:
    """Something in a cycle, which only the collector can free."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def collector_as_before() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


def test_what_is_made_in_the_block_is_never_visited() -> None:
    with frozen_for_good():
        knot = Knot()

    assert not any(each is knot for each in gc.get_objects())


def test_nothing_is_collected_in_the_block_and_all_else_after_it() -> None:
    with frozen_for_good():
        assert not gc.isenabled()

    after = ref(Knot())
    assert gc.isenabled()
    gc.collect()
    assert after() is None


def test_what_was_garbage_before_is_not_kept_for_good() -> None:
    before = ref(Knot())

    with frozen_for_good():
        pass

    assert before() is None


def test_what_is_replaced_later_is_freed_all_the_same() -> None:
    with frozen_for_good():
        kept = {"definition": Knot()}
    freed = ref(kept["definition"])

    del kept["definition"].itself
    del kept["definition"]

    assert freed() is None


def test_a_block_that_fails_leaves_the_collector_running() -> None:
    with pytest.raises(LookupError), frozen_for_good():
        raise LookupError

    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()

    with frozen_for_good():
        pass

    assert not gc.isenabled()
