"""Limits: how much time, memory, output, files and processes one run may use."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

MIB = 1024 * 1024


class Resource(StrEnum):
    """What a run can use too much of, as sentences for people name it."""

    CPU = "processor time"
    MEMORY = "memory"
    PROCESSES = "processes and threads"
    OUTPUT = "output"
    LINES = "lines of output"
    FILE_SIZE = "space for one file"
    FILES = "files"
    DISK = "disk space"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputLimits:
    """How much a run may print; `line` is where a longer line is broken.

    Raises ValueError unless all are positive.
    """

    size: int = MIB
    lines: int = 10_000
    line: int = 8 * 1024

    def __post_init__(self) -> None:
        if min(self.size, self.lines, self.line) < 1:
            raise ValueError("limits of output are positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLimits:
    """How large one file, how many files, and how large all of them may be.

    Directories and links count as files. Raises ValueError unless all are positive.
    """

    size: int = 64 * MIB
    number: int = 4_096
    total: int = 128 * MIB

    def __post_init__(self) -> None:
        if min(self.size, self.number, self.total) < 1:
            raise ValueError("limits of files are positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptLimits:
    """What one run may use; each limit holds for all its processes together.

    `wall` bounds the time from the start to the end, and `cpu` the processor time.
    Threads count as processes, and memory that processes share counts for each of
    them. Files are in memory, too, and count apart, by the limits of files. Raises
    ValueError unless all are positive.
    """

    wall: timedelta = timedelta(seconds=60)
    cpu: timedelta = timedelta(seconds=60)
    memory: int = 256 * MIB
    processes: int = 128
    output: OutputLimits = OutputLimits()
    files: FileLimits = FileLimits()

    def __post_init__(self) -> None:
        if (
            min(self.wall, self.cpu) <= timedelta()
            or min(self.memory, self.processes) < 1
        ):
            raise ValueError("limits of a run are positive")

    def of(self, resource: Resource) -> str:
        """Return the limit of that resource, as a sentence for people names it."""
        named = {
            Resource.CPU: in_seconds(self.cpu),
            Resource.MEMORY: in_bytes(self.memory),
            Resource.PROCESSES: str(self.processes),
            Resource.OUTPUT: in_bytes(self.output.size),
            Resource.LINES: str(self.output.lines),
            Resource.FILE_SIZE: in_bytes(self.files.size),
            Resource.FILES: str(self.files.number),
            Resource.DISK: in_bytes(self.files.total),
        }
        return named[resource]


def in_seconds(duration: timedelta) -> str:
    return f"{duration.total_seconds():g} s"


def in_bytes(size: int) -> str:
    return f"{size / MIB:.3g} MiB" if size >= MIB else f"{size} bytes"
