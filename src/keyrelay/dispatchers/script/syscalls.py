"""System calls: those that a script is refused, as a filter of the kernel's.

A script needs none of them, and they lead to memory that is counted nowhere, to other
processes' memory, or to parts of the kernel in which flaws were found again and again.

The filter is a program for seccomp(2): instructions of eight bytes, which look at the
number of a call, at the architecture, and at the first argument.
"""

import errno
import struct
from collections.abc import Iterator, Mapping

# linux/audit.h, by the name of platform.machine().
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# Numbers of both architectures; from 424 on they are the same everywhere.
_REFUSED: Mapping[str, tuple[int, int]] = {
    # memory that no sum of processes' memory has
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    # the kernel itself
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "syslog": (103, 116),
    # namespaces and mounts
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsmount": (432, 432),
    "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265),
}
_SOCKET = (41, 198)
_FAMILIES = (1, 2, 10, 16)  # AF_UNIX, AF_INET, AF_INET6, AF_NETLINK: socket.h
_X32 = 0x40000000  # the bit of x86_64's second table of calls

# Where struct seccomp_data has it: linux/seccomp.h.
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # linux/bpf_common.h
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000


def filter_for(machine: str) -> bytes | None:
    """Return the filter for that machine; None where the numbers are not known."""
    if machine not in _ARCHITECTURES:
        return None
    column = [*_ARCHITECTURES].index(machine)
    return b"".join(_instructions(_ARCHITECTURES[machine], column))


def _instructions(architecture: int, column: int) -> Iterator[bytes]:
    yield _step(_LOAD, _ARCHITECTURE)
    yield from _unless(_IF_EQUAL, architecture, _KILL)
    yield _step(_LOAD, _NUMBER)
    yield from _if(_IF_AT_LEAST, _X32, _ERROR | errno.ENOSYS)
    for numbers in _REFUSED.values():
        yield from _if(_IF_EQUAL, numbers[column], _ERROR | errno.EPERM)
    # All that is no socket may pass; a socket may be of some families.
    yield from _unless(_IF_EQUAL, _SOCKET[column], _ALLOW)
    yield _step(_LOAD, _FIRST_ARGUMENT)
    for family in _FAMILIES:
        yield from _if(_IF_EQUAL, family, _ALLOW)
    yield _step(_RETURN, _ERROR | errno.EAFNOSUPPORT)


def _if(test: int, value: int, answer: int) -> Iterator[bytes]:
    yield _step(test, value, skipped_if_not=1)
    yield _step(_RETURN, answer)


def _unless(test: int, value: int, answer: int) -> Iterator[bytes]:
    yield _step(test, value, skipped_if=1)
    yield _step(_RETURN, answer)


def _step(code: int, value: int, skipped_if: int = 0, skipped_if_not: int = 0) -> bytes:
    return struct.pack("=HBBI", code, skipped_if, skipped_if_not, value)
