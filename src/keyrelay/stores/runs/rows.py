"""Run rows: between runs and their rows in the database."""

import json
from collections.abc import Mapping
from datetime import timedelta

from keyrelay.model.analysis import RunOn, Variable
from keyrelay.model.audit_document import printable
from keyrelay.model.run import (
    ListedRun,
    RunCause,
    RunOrder,
    RunOrigin,
    RunResult,
    RunState,
    RunTimes,
)
from keyrelay.model.run_confirmation import RunConfirmation
from keyrelay.stores.unreadable import AnyRow


def row_of(order: RunOrder) -> dict[str, object]:
    """Return the row of a run that waits from the moment that it was asked for."""
    cause = order.cause
    return {
        "id": order.id,
        "profile": order.profile,
        "analysis": order.analysis,
        "run_on": order.run_on,
        "origin": cause.origin,
        "action": cause.action,
        "trigger": cause.trigger,
        "variables": json.dumps([[each.key, each.value] for each in cause.variables]),
        "scope": order.scope,
        "asked_at": cause.asked_at,
        "deadline": cause.deadline,
        "due_at": cause.asked_at,
        "state": RunState.WAITING,
        "attempts": 0,
        "cut": False,
    }


def order_of(row: AnyRow) -> RunOrder:
    """Raises ValueError or TypeError for what is not as written."""
    if not isinstance(row.scope, str):
        raise TypeError("this is no run")
    return RunOrder(
        id=row.id,
        profile=row.profile,
        analysis=row.analysis,
        run_on=RunOn(row.run_on),
        cause=RunCause(
            origin=RunOrigin(row.origin),
            asked_at=row.asked_at,
            deadline=row.deadline,
            action=row.action,
            trigger=row.trigger,
            variables=tuple(Variable(*each) for each in json.loads(row.variables)),
        ),
        scope=row.scope,
    )


def run_of(row: AnyRow) -> ListedRun:
    """Raises ValueError or TypeError as `order_of`."""
    state = RunState(row.state)
    return ListedRun(
        order=order_of(row),
        state=state,
        attempts=row.attempts,
        times=RunTimes(
            due=row.due_at if state is RunState.WAITING else None,
            started_at=row.started_at,
            ended_at=row.ended_at,
        ),
        result=None if row.sentence is None else _result_of(row),
        confirmed=None if row.confirmed_at is None else _confirmation_of(row),
    )


def result_columns(result: RunResult) -> Mapping[str, object]:
    lines = [printable(line) for line in result.last_lines]
    duration = result.duration
    return {
        "sentence": printable(result.sentence),
        "exit_code": result.exit_code,
        "duration": None if duration is None else duration.total_seconds(),
        "peak_memory": result.peak_memory,
        "last_lines": json.dumps(lines, ensure_ascii=False),
    }


def confirmation_columns(said: RunConfirmation) -> Mapping[str, object]:
    return {
        "confirmed_at": said.at,
        "confirmed_ok": said.ok,
        "confirmed_message": said.message,
    }


def _confirmation_of(row: AnyRow) -> RunConfirmation:
    return RunConfirmation(
        at=row.confirmed_at, ok=bool(row.confirmed_ok), message=row.confirmed_message
    )


def _result_of(row: AnyRow) -> RunResult:
    lines = json.loads(row.last_lines or "[]")
    return RunResult(
        sentence=str(row.sentence),
        exit_code=row.exit_code,
        duration=None if row.duration is None else timedelta(seconds=row.duration),
        peak_memory=row.peak_memory,
        last_lines=tuple(map(str, lines)),
    )
