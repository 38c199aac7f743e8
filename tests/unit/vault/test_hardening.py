import ctypes
import resource
from collections.abc import Iterator

import pytest

from keyrelay.vault.hardening import _set_dumpable, harden

_PR_GET_DUMPABLE = 3


def dumpable() -> int:
    answer: int = ctypes.CDLL(None).prctl(_PR_GET_DUMPABLE)
    return answer


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_CORE)
    # The hard limit of an ordinary user cannot be raised again; zero is no harm.
    yield
    _set_dumpable(1)
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (min(limits[0], hard), hard))


def test_a_hardened_process_leaves_no_core_file_and_is_not_traced() -> None:
    before = dumpable()

    harden("linux")

    assert before == 1
    assert dumpable() == 0
    assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)


def test_elsewhere_than_on_linux_only_core_files_are_refused() -> None:
    harden("darwin")

    assert dumpable() == 1
    assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)


def test_a_kernel_that_refuses_raises_an_error() -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        _set_dumpable(7)
