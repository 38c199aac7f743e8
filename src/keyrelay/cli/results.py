"""Results: what became of each of many triggers, told as it happens."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from keyrelay.cli.output import put_id, say
from keyrelay.cli.progress import is_progress_seen, progress
from keyrelay.cli.refusals import Refused


class Result(Protocol):
    """`refusal` says why nothing was done."""

    @property
    def trigger(self) -> str: ...
    @property
    def refusal(self) -> str | None: ...


async def tell(
    results: AsyncIterator[Result], of: int, *, as_json: bool
) -> Sequence[str]:
    """Print the id of each trigger that was acted on; return why others were not."""
    done, refusals = 0, list[str]()
    shown = is_progress_seen(answers=True)
    async with progress(lambda: f"{done + len(refusals)} of {of}", shown=shown):
        async for result in results:
            if result.refusal is not None:
                refusals.append(result.refusal)
                continue
            done += 1
            put_id(result.trigger, as_json=as_json)
    return refusals


def refuse_any(refusals: Sequence[str]) -> None:
    """Say why some were not acted on. Raises Refused, if there are any."""
    for refusal in refusals[:-1]:
        say(f"keyrelay: {refusal}")
    if refusals:
        raise Refused(refusals[-1])
