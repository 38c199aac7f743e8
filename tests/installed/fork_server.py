"""Fork server: runs `keyrelay` in processes forked from one that has imported it.

    python -m tests.installed.fork_server CHANNEL KEYRELAY

CHANNEL is the descriptor of a socket on which each message asks for one command: its
arguments, environment and directory as JSON, and with them descriptors of its standard
input, output and error, and of the pipe on which its exit code is answered. A command
is a process of its own; what takes longer than most commands, to start an interpreter,
to import and to tear all that down, is done once. When the channel closes, what runs is
killed.
"""

import gc
import importlib
import json
import os
import pkgutil
import selectors
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence

import keyrelay
from keyrelay.cli import run

LARGEST_MESSAGE = 128 * 1024  # bytes

_DESCRIPTORS = 4
_NOT_IMPORTED = ("keyrelay.__main__", "keyrelay.stores.schema.migrations.")


def main() -> None:
    """Serve until the channel closes."""
    channel, command = socket.socket(fileno=int(sys.argv[1])), sys.argv[2]
    _import_all()
    gc.freeze()  # what is not looked at stays shared with the forked processes
    selector, running = selectors.DefaultSelector(), dict[int, tuple[int, int]]()
    selector.register(channel, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fd != channel.fileno():
                selector.unregister(key.fd)
                _answer(key.fd, *running.pop(key.fd))
                continue
            message, given, _, _ = socket.recv_fds(
                channel, LARGEST_MESSAGE, _DESCRIPTORS
            )
            if not message:
                _kill([pid for pid, _ in running.values()])
                return
            *standard, answer = given
            if (pid := os.fork()) == 0:
                selector.close()
                channel.detach()
                _become(command, json.loads(message), standard)
                os._exit(_run_to_its_end())
            ended = os.pidfd_open(pid)
            running[ended] = pid, answer
            selector.register(ended, selectors.EVENT_READ)
            for each in standard:
                os.close(each)


def _import_all() -> None:
    for module in pkgutil.walk_packages(keyrelay.__path__, "keyrelay."):
        if not module.name.startswith(_NOT_IMPORTED):
            importlib.import_module(module.name)


def _become(command: str, request: dict[str, object], standard: Sequence[int]) -> None:
    """Run the command in this process, as if it had been started for it."""
    for number, given in enumerate(standard):
        os.dup2(given, number)
    os.closerange(len(standard), os.sysconf("SC_OPEN_MAX"))
    arguments, environment = request["arguments"], request["environment"]
    assert isinstance(arguments, list)
    assert isinstance(environment, dict)
    os.chdir(str(request["directory"]))
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.argv = [command, *arguments]


def _run_to_its_end() -> int:
    """Return the exit code, once all has ended as an interpreter would end it."""
    code = 1
    try:
        run()
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException as error:  # noqa: BLE001 # told as an interpreter would
        sys.excepthook(type(error), error, error.__traceback__)
    for thread in threading.enumerate():
        if not thread.daemon and thread is not threading.current_thread():
            thread.join()
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _answer(ended: int, pid: int, answer: int) -> None:
    _, status = os.waitpid(pid, 0)
    os.close(ended)
    os.write(answer, b"%d" % os.waitstatus_to_exitcode(status))
    os.close(answer)


def _kill(pids: Sequence[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
