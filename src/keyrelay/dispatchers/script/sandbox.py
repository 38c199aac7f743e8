"""Sandbox: the arguments of bubblewrap that put a wall around one run.

Each run has namespaces of its own for processes, files, network, users, System V
objects and host name. It sees the system's programs, the interpreter, and one
directory of its own in memory; all else is read-only or absent. A secret is in none
of the arguments: every process of the machine can read them.
"""

import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from keyrelay.dispatchers.script.interpreter import SYSTEM
from keyrelay.dispatchers.script.limits import MIB
from keyrelay.dispatchers.script.syscalls import filter_for

SCRATCH = "/scratch"
LAUNCHER = "/launcher.py"
# Where our API listens, as a script sees it.
API_PORT = 8_090
# Script and processes run as this user; outside the sandbox it is another one.
_INSIDE = "1000"
# Beyond the limit, so that a run that is over it is noticed before its disk is full.
_SLACK = 16 * MIB

# Names on Debian and on others; links to /usr where these directories are merged.
_ROOTS = ("/lib", "/lib64", "/lib32", "/bin", "/sbin")
_SETTINGS = (
    "/etc/ld.so.cache",
    "/etc/alternatives",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs",
    "/etc/pki/ca-trust/extracted",
)
_HOST_SETTINGS = ("/etc/resolv.conf", "/etc/hosts")
_DEVICES = ("null", "zero", "full", "random", "urandom")
_LINKS = {
    "/dev/fd": "/proc/self/fd",
    "/dev/stdin": "/proc/self/fd/0",
    "/dev/stdout": "/proc/self/fd/1",
    "/dev/stderr": "/proc/self/fd/2",
    "/dev/shm": f"{SCRATCH}/shm",  # noqa: S108 - its place in the sandbox
    "/tmp": f"{SCRATCH}/tmp",  # noqa: S108 - the same
}
FILES = {
    "/etc/passwd": f"script:x:{_INSIDE}:{_INSIDE}::{SCRATCH}:/bin/sh\n".encode(),
    "/etc/group": f"script:x:{_INSIDE}:\n".encode(),
    "/etc/nsswitch.conf": b"passwd: files\ngroup: files\nhosts: files dns\n",
}
HOSTS = {"/etc/hosts": b"127.0.0.1 localhost\n"}
_MODULES = "node_modules"


class ScriptNetwork(StrEnum):
    """What a run can reach: our API through a forwarder, or all that the host can."""

    API = "api"
    HOST = "host"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """What differs between sandboxes; `disk` is the limit of its files in bytes.

    `files` are descriptors that the contents of files are read from, by path, and
    `refused` is one that the filter of system calls is read from. `kept` is the one
    directory of the machine's that can be written.
    """

    trees: tuple[Path, ...]
    disk: int
    network: ScriptNetwork = ScriptNetwork.API
    files: Mapping[str, int] = field(default_factory=dict)
    refused: int | None = None
    kept: Path | None = None

    @property
    def descriptors(self) -> list[int]:
        """Return what bubblewrap has to inherit."""
        refused = [] if self.refused is None else [self.refused]
        return [*self.files.values(), *refused]

    @property
    def shown(self) -> tuple[Path, ...]:
        """Return all of the machine's that it sees, beside the system's."""
        return self.trees if self.kept is None else (*self.trees, self.kept)


def contents(network: ScriptNetwork, launcher: bytes) -> dict[str, bytes]:
    """Return the files that are made for a sandbox, by path."""
    hosts = HOSTS if network is ScriptNetwork.API else {}
    return {**FILES, **hosts, LAUNCHER: launcher}


def handed(content: bytes, until: ExitStack) -> int:
    """Return a descriptor that this is read from once; a pipe has to hold it."""
    reading, writing = os.pipe()
    until.callback(os.close, reading)
    with os.fdopen(writing, "wb", buffering=0) as file:
        file.write(content)
    return reading


def refused(until: ExitStack) -> int | None:
    """Return a descriptor for this machine's filter of system calls, if it has one."""
    program = filter_for(platform.machine())
    return None if program is None else handed(program, until)


def arguments(sandbox: Sandbox, command: list[str]) -> list[str]:
    """Return what bubblewrap is told, to run that command inside the sandbox."""
    return [
        *_namespaces(sandbox.network),
        *_system(sandbox),
        *_devices(sandbox.shown),
        *_files(sandbox),
        *(() if sandbox.refused is None else ("--seccomp", str(sandbox.refused))),
        # Last, as what is mounted would have no place otherwise.
        "--remount-ro",
        "/",
        "--chdir",
        SCRATCH,
        "--",
        *command,
    ]


def _namespaces(network: ScriptNetwork) -> Iterator[str]:
    yield "--unshare-all"
    if network is ScriptNetwork.HOST:
        yield "--share-net"
    # Said beside --unshare-all, which only tries it, as --disable-userns needs it.
    yield from ("--unshare-user", "--disable-userns", "--uid", _INSIDE)
    yield from ("--gid", _INSIDE, "--hostname", "script", "--cap-drop", "ALL")
    yield from ("--die-with-parent", "--new-session")


def _system(sandbox: Sandbox) -> Iterator[str]:
    yield from ("--ro-bind", str(SYSTEM), str(SYSTEM))
    for root in _ROOTS:
        if Path(root).is_symlink():
            yield from ("--symlink", str(Path(root).readlink()), root)
        elif Path(root).is_dir():
            yield from ("--ro-bind", root, root)
    host = sandbox.network is ScriptNetwork.HOST
    for setting in (*_SETTINGS, *(_HOST_SETTINGS if host else ())):
        yield from ("--ro-bind-try", setting, setting)
    for tree in sandbox.trees:
        yield from ("--ro-bind", os.fspath(tree), os.fspath(tree))
        # `import` reads no NODE_PATH: it looks beside the script, and in all above it.
        if tree.name == _MODULES:
            yield from ("--symlink", os.fspath(tree), f"/{_MODULES}")
    # After the trees, as one of them may hold it.
    if sandbox.kept is not None:
        yield from ("--bind", os.fspath(sandbox.kept), os.fspath(sandbox.kept))


def _devices(shown: tuple[Path, ...]) -> Iterator[str]:
    # Read-only: root's processes could otherwise write the kernel's settings below
    # /proc/sys, such as core_pattern, without any capability.
    yield from ("--proc", "/proc", "--remount-ro", "/proc")
    for device in _DEVICES:
        yield from ("--dev-bind", f"/dev/{device}", f"/dev/{device}")
    for link, target in _LINKS.items():
        if not any(path.is_relative_to(link) for path in shown):
            yield from ("--symlink", target, link)


def _files(sandbox: Sandbox) -> Iterator[str]:
    for path, descriptor in sandbox.files.items():
        yield from ("--file", str(descriptor), path)
    size = str(sandbox.disk + _SLACK)
    yield from ("--perms", "0700", "--size", size, "--tmpfs", SCRATCH)
