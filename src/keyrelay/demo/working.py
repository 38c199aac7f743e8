"""Working: the scene in which a worker is killed and another one takes over."""

import signal

from keyrelay.demo.play import Play
from keyrelay.demo.shell import UnexpectedAnswer

_KILL_AFTER = 40  # arrivals
_MOST_DRAINS = 5
_DRAIN = "--drain"


async def work(play: Play) -> None:
    play.stage.scene("A worker, killed in the middle")
    await _interrupted(play)
    await _taken_over(play)


async def _interrupted(play: Play) -> None:
    play.stage.say("A worker works until it is stopped. This one is not; it is killed.")
    async with play.shell.worker() as worker:
        await play.watch(worker, enough=_KILL_AFTER)
        if worker.returncode is not None:
            raise UnexpectedAnswer(f"the worker ended: {play.shell.last_word()}")
        worker.kill()
        play.stage.command(["kill", "-9", str(worker.pid)])
        await worker.wait()
    await play.queue.look()
    left = await play.left()
    play.stage.check(
        f"killed with SIGKILL: {len(play.catcher.mails)} mails and {play.queue.count}"
        f" messages have arrived, {left} triggers are in the queue",
        holds=left > 0 and worker.returncode == -signal.SIGKILL,
    )


async def _taken_over(play: Play) -> None:
    play.stage.say(
        "What it had on lease goes back to the queue, here after a second. Another"
        " worker takes over; with --drain it ends when there is nothing left to do."
    )
    for _ in range(_MOST_DRAINS):
        async with play.shell.worker(_DRAIN) as worker:
            await play.watch(worker)
        play.stage.output([play.shell.last_word(_DRAIN)])
        left = await play.left()
        if left == 0:
            break
        play.stage.say(f"{left} wait for their next attempt, so once more.")
    else:
        left = await play.left()
    play.stage.check("the queue is empty", holds=left == 0)
