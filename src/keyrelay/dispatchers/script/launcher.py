"""Launcher: the first program inside a sandbox; it becomes the script.

It runs as `python -I -S launcher.py PORT`, and knows the standard library alone. Its
standard input is a socket to Keyrelay, over which this is said:

    launcher → Keyrelay   one byte, with descriptors: /proc, the scratch directory, the
                          first process of the sandbox and, if PORT is not 0, a socket
                          that listens on that port of the sandbox's loopback
    Keyrelay → launcher   the order as JSON, then the end of the stream
    launcher → Keyrelay   nothing if the script has started, else a sentence; then the
                          end of the stream

The order holds secrets. It arrives when the sandbox stands, and it is in no file and in
no argument. A launcher whose Keyrelay is gone reads an order that is cut off, and ends.
"""

import base64
import io
import json
import os
import resource
import signal
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NoReturn, TypedDict

MOST_ENTRIES = 2_000
MOST_BYTES = 50 * 1024 * 1024
# Beside the bytes of the files: headers, of at most two blocks for most entries.
_MOST_TAR_BYTES = MOST_BYTES + MOST_ENTRIES * 2_048 + 1024 * 1024
_CHUNK = 64 * 1024
_BACKLOG = 16
_FAILED = 127
NICER = 10  # than what Keyrelay itself does

# Names, and what they hold; a directory holds nothing.
Members = Iterator[tuple[str, IO[bytes] | None]]


class LaunchOrder(TypedDict):
    """What to run. `limits` are of setrlimit(2), by name, `command` the interpreter."""

    command: list[str]
    environment: dict[str, str]
    limits: dict[str, int]
    file_name: str
    content: str
    language: str


class NotRunnable(Exception):
    """The script cannot be started; the message is a part of a sentence for people."""


def main(port: int) -> NoReturn:
    os.umask(0o077)
    # Closed when the script starts, which is how Keyrelay knows that it has.
    channel = socket.socket(fileno=os.dup(0))
    _say_hello(channel, port)
    order = _order(channel)
    try:
        _start(order)
    except NotRunnable as fact:
        channel.sendall(str(fact).encode(errors="replace"))
    except OSError as error:
        reason = f"the system refuses it ({error.strerror})"
        channel.sendall(reason.encode(errors="replace"))
    sys.exit(_FAILED)


def _say_hello(channel: socket.socket, port: int) -> None:
    directory = os.O_RDONLY | os.O_DIRECTORY
    shown = [os.open("/proc", directory), os.open(".", directory), os.pidfd_open(1)]
    if port:
        listener = socket.create_server(("127.0.0.1", port), backlog=_BACKLOG)
        shown.append(listener.detach())
    socket.send_fds(channel, [b"!"], shown)
    for descriptor in shown:
        os.close(descriptor)


def _order(channel: socket.socket) -> LaunchOrder:
    with channel.makefile("rb") as stream:
        text = stream.read()
    try:
        order: LaunchOrder = json.loads(text)
    except ValueError:
        sys.exit(_FAILED)  # Keyrelay is gone
    return order


def _start(order: LaunchOrder) -> NoReturn:
    _limit(order["limits"])
    scratch = Path.cwd()
    for each in ("script", "tmp", "shm"):
        (scratch / each).mkdir()
    script = scratch / "script"
    content = base64.b64decode(order["content"])
    entry = script / unpack(order["file_name"], content, script, order["language"])
    os.chdir(script)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.nice(NICER)
    # What Python ignores is ignored by a program that it starts, too.
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored, signal.SIG_DFL)
    command = [*order["command"], str(entry)]
    os.execve(command[0], command, order["environment"])  # noqa: S606 - its purpose


def _limit(limits: dict[str, int]) -> None:
    for name, limit in limits.items():
        number: int = getattr(resource, name)
        _, hard = resource.getrlimit(number)
        wanted = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(number, (wanted, wanted))


def unpack(file_name: str, content: bytes, folder: Path, language: str) -> str:
    """Put the script into the folder, and return the path of its entry below it.

    Raises NotRunnable.
    """
    lower = file_name.lower()
    if lower.endswith((".tar.gz", ".tgz")):
        _unpack(_members_of_tar, content, folder)
    elif lower.endswith(".zip"):
        _unpack(_members_of_zip, content, folder)
    else:
        name = checked(file_name)
        (folder / name).write_bytes(content)
        return name
    return entry_of(folder, language)


def _unpack(
    members_of: Callable[[bytes], Members], content: bytes, folder: Path
) -> None:
    # Imported where an archive is read: most scripts are one file, and start sooner.
    import struct
    import tarfile
    import zipfile
    import zlib

    damage = (tarfile.TarError, zipfile.BadZipFile, zlib.error, struct.error)
    try:
        _write_all(members_of(content), folder)
    except (*damage, EOFError, ValueError, RuntimeError, OverflowError, IndexError):
        raise NotRunnable("the archive cannot be read: it is damaged") from None


def checked(name: str) -> str:
    """Return the path of an entry without its dots, or raise NotRunnable."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or "\\" in name or "\0" in name or ".." in parts:
        raise NotRunnable(f"the archive has a path that is not allowed: {name[:99]!r}")
    return "/".join(parts)


def _write_all(members: Members, folder: Path) -> None:
    """Write files with this process's own modes, never over one that is there."""
    left = MOST_BYTES
    for number, (name, content) in enumerate(members):
        if number == MOST_ENTRIES:
            raise NotRunnable(f"the archive has more than {MOST_ENTRIES} entries")
        path = folder / checked(name)
        (path if content is None else path.parent).mkdir(parents=True, exist_ok=True)
        if content is not None:
            left -= _write(content, path, left)


def _write(content: IO[bytes], path: Path, most: int) -> int:
    written = 0
    try:
        with path.open("xb") as file:
            while chunk := content.read(_CHUNK):
                written += len(chunk)
                if written > most:
                    raise NotRunnable(f"the archive holds more than {MOST_BYTES} bytes")
                file.write(chunk)
    except FileExistsError:
        raise NotRunnable(f"the archive has {path.name[:99]!r} twice") from None
    return written


def _members_of_tar(content: bytes) -> Members:
    import gzip
    import tarfile

    unpacked = gzip.GzipFile(fileobj=io.BytesIO(content)).read(_MOST_TAR_BYTES + 1)
    if len(unpacked) > _MOST_TAR_BYTES:
        raise NotRunnable(f"the archive holds more than {MOST_BYTES} bytes")
    with tarfile.open(fileobj=io.BytesIO(unpacked), mode="r:") as archive:
        for member in archive:
            if not (member.isreg() or member.isdir()):
                raise NotRunnable("the archive has a link or a device")
            yield member.name, archive.extractfile(member)


def _members_of_zip(content: bytes) -> Members:
    import zipfile

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member in archive.infolist():
            if stat.S_IFMT(member.external_attr >> 16) not in _PLAIN:
                raise NotRunnable("the archive has a link or a device")
            if member.filename.endswith("/"):
                yield member.filename, None
                continue
            with archive.open(member) as file:
                yield member.filename, file


_PLAIN = {0, stat.S_IFREG, stat.S_IFDIR}


def entry_of(folder: Path, language: str) -> str:
    """Return the path of the file to run, below the folder, or raise NotRunnable."""
    if language == "python":
        names = ["main.py"]
    else:
        main = _main_of(folder / "package.json")
        names = [main, f"{main}.js", f"{main}/index.js"] if main else []
        names.append("index.js")
    for name in names:
        if (folder / name).is_file():
            return name
    raise NotRunnable(f"the archive has no {names[0]} to start with")


def _main_of(package: Path) -> str | None:
    if not package.is_file():
        return None
    try:
        described = json.loads(package.read_bytes())
    except ValueError:
        raise NotRunnable("its package.json is no JSON") from None
    main = described.get("main") if isinstance(described, dict) else None
    return checked(main) if isinstance(main, str) and main else None


if __name__ == "__main__":
    main(int(sys.argv[1]))
