"""Run documents: what is shown of a run, on every face."""

from collections.abc import Mapping

from keyrelay.model.instant import wire_date, wire_instant
from keyrelay.model.run import ListedRun, RunResult
from keyrelay.model.run_confirmation import RunConfirmation


def run_document(run: ListedRun) -> Mapping[str, object]:
    order, cause, times = run.order, run.order.cause, run.times
    return {
        "id": order.id,
        "analysis": order.analysis,
        "run_on": order.run_on,
        "state": run.state,
        "origin": cause.origin,
        "action": cause.action,
        "trigger": cause.trigger,
        "asked_at": wire_instant(cause.asked_at),
        "deadline": wire_instant(cause.deadline),
        "started_at": wire_date(times.started_at),
        "ended_at": wire_date(times.ended_at),
        "attempts": run.attempts,
        "due": wire_date(times.due),
        "result": None if run.result is None else _result(run.result),
        "confirmed": None if run.confirmed is None else confirmed(run.confirmed),
    }


def confirmed(said: RunConfirmation) -> Mapping[str, object]:
    return {"at": wire_instant(said.at), "ok": said.ok, "message": said.message}


def _result(result: RunResult) -> Mapping[str, object]:
    """Return how it ended; `duration` is in seconds and `peak_memory` in bytes."""
    duration = result.duration
    return {
        "sentence": result.sentence,
        "exit_code": result.exit_code,
        "duration": None if duration is None else duration.total_seconds(),
        "peak_memory": result.peak_memory,
        "last_lines": [*result.last_lines],
    }
