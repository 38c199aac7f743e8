"""Exit codes: how a command says in one number how it ended."""

from enum import IntEnum


class ExitCode(IntEnum):
    DONE = 0
    REFUSED = 1  # invalid, not found, in use, denied
    USAGE = 2
    UNAVAILABLE = 3  # sealed vault, locked database, full disk
    BROKEN = 4  # the audit trail or a secret
    BUG = 70  # ours; EX_SOFTWARE of sysexits.h
    INTERRUPTED = 130  # 128 + SIGINT, as shells count
    UNHEARD = 141  # 128 + SIGPIPE


MEANINGS = (
    "Exit codes: 0 done; 1 refused (invalid, not found, in use, denied); 2 wrong usage;"
    " 3 unavailable (sealed vault, locked database, full disk); 4 the audit trail or a"
    " secret was found broken; 70 a mistake of Keyrelay's own; 130 interrupted."
)
