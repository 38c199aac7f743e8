"""Hardening: keeps the memory of this process out of core files and debuggers."""

import ctypes
import os
import resource

_PR_SET_DUMPABLE = 4  # linux/prctl.h


def harden(platform: str) -> None:
    """Refuse core files, and on Linux tracing by processes of the same user.

    Call it once, before any key is read; `platform` is sys.platform. Raises OSError
    if the kernel refuses. See prctl(2), PR_SET_DUMPABLE, and core(5).
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # A kernel that pipes core files to a program ignores this limit: core(5).
    if platform == "linux":
        _set_dumpable(0)


def _set_dumpable(value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    arguments = (ctypes.c_ulong(number) for number in (value, 0, 0, 0))
    if libc.prctl(_PR_SET_DUMPABLE, *arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
