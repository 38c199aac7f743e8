"""Exposure: all that an exception carries, for a canary to be searched in."""

import traceback
from collections.abc import Iterator


def everything_said(error: BaseException) -> str:
    """Return the words, arguments, fields and locals of it and all it hangs on."""
    return "\n".join(text for one in _chain(error, set()) for text in _texts(one))


def _chain(error: BaseException | None, seen: set[int]) -> Iterator[BaseException]:
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    yield error
    yield from _chain(error.__cause__, seen)
    yield from _chain(error.__context__, seen)


def _texts(error: BaseException) -> Iterator[str]:
    yield from (str(error), repr(error), repr(error.args), repr(vars(error)))
    # `object` and `doc` are where decoders keep what they were given.
    yield from (repr(getattr(error, name, None)) for name in ("object", "doc"))
    yield from traceback.TracebackException.from_exception(error).format()
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if "/keyrelay/vault/" in frame.f_code.co_filename:
            yield from (repr(local) for local in frame.f_locals.values())
