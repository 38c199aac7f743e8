"""Usage: what all processes of a run use together, as it is seen from outside.

Limits of the kernel for one process do not add up, and some do not hold for root's
processes. Hence the sums are taken again and again, through two directories that the
launcher handed out before the script ran: the /proc of the sandbox, which shows its
processes alone, and its scratch directory.
"""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from keyrelay.dispatchers.script.limits import Resource, ScriptLimits

_EACH = timedelta(milliseconds=20)
_FIRST = "1"  # bubblewrap's own
_OWN_FILES = 4  # the scratch directory, and the launcher's three below it
_TICK = 1 / os.sysconf("SC_CLK_TCK")
_KIB = 1024
_LONGEST = 4_096
# Memory that is only this process's, or shared with others, but not with a file.
_MEMORY = frozenset({"RssAnon", "RssShmem", "VmSwap"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a run uses at one moment; `tasks` are processes and threads."""

    memory: int = 0
    cpu: timedelta = timedelta()
    tasks: int = 0
    files: int = 0
    disk: int = 0


@dataclass(slots=True)
class Meter:
    """Takes the sums of one run, and keeps the highest of memory."""

    processes: int
    scratch: int
    limits: ScriptLimits
    peak_memory: int = field(default=0, init=False)

    async def over_limit(self) -> Resource:
        """Return once the run uses more of a resource than it may."""
        while True:
            resource = self.look()
            if resource is not None:
                return resource
            await asyncio.sleep(_EACH.total_seconds())

    def look(self) -> Resource | None:
        """Return what the run uses too much of at this moment, if anything."""
        usage = measure(self.processes, self.scratch, self.limits.processes)
        self.peak_memory = max(self.peak_memory, usage.memory)
        return over(usage, self.limits)


def over(usage: Usage, limits: ScriptLimits) -> Resource | None:
    """Return a resource that is used more than it may be, if there is one."""
    if usage.tasks > limits.processes:
        return Resource.PROCESSES
    if usage.memory > limits.memory:
        return Resource.MEMORY
    if usage.cpu > limits.cpu:
        return Resource.CPU
    if usage.files > limits.files.number:
        return Resource.FILES
    if usage.disk > limits.files.total:
        return Resource.DISK
    return None


def measure(processes: int, scratch: int, most: int) -> Usage:
    """Return what is used; beyond `most` processes nothing more is counted."""
    memory, ticks, tasks = 0, 0, 0
    for number in _numbers(processes):
        ticks += _ticks(_read(f"{number}/stat", processes))
        if number == _FIRST:
            continue
        status = dict(_status(_read(f"{number}/status", processes)))
        memory += sum(status.get(name, 0) for name in _MEMORY) * _KIB
        tasks += status.get("Threads", 1)
        if tasks > most:
            break
    files = os.fstatvfs(scratch)
    return Usage(
        memory=memory,
        cpu=timedelta(seconds=ticks * _TICK),
        tasks=tasks,
        files=files.f_files - files.f_ffree - _OWN_FILES,
        disk=(files.f_blocks - files.f_bfree) * files.f_frsize,
    )


def _numbers(processes: int) -> Iterator[str]:
    with os.scandir(processes) as entries:
        yield from (entry.name for entry in entries if entry.name.isdigit())


def _read(path: str, directory: int) -> bytes:
    """Return a file of a process, or nothing if the process has ended."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
    except OSError:
        return b""
    try:
        return os.read(descriptor, _LONGEST)
    except ProcessLookupError:
        return b""
    finally:
        os.close(descriptor)


def _ticks(stat: bytes) -> int:
    """Return the processor time of a process, and of its ended children: proc(5)."""
    # A name may hold spaces and parentheses.
    fields = stat.rpartition(b")")[2].split()
    return sum(map(int, fields[11:15]))


def _status(status: bytes) -> Iterator[tuple[str, int]]:
    for line in status.decode(errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name in _MEMORY or name == "Threads":
            yield name, int(value.split()[0])
