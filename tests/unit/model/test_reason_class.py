"""Reason classes: each place in the source that makes an outcome has one."""

import ast
from collections.abc import Iterator
from functools import cache

import pytest

from keyrelay.model.audit import LOCKED
from keyrelay.model.outcome import (
    Blame,
    Deferred,
    Delivered,
    Fault,
    ReasonClass,
    Rejected,
    Uncertain,
    reason_class,
)
from tests.unit.source import MODULES, tree_of

R = ReasonClass
SMTP, SQS = "dispatchers/smtp/", "dispatchers/sqs/"
SCRIPT = "dispatchers/script/"
# Every call that makes an outcome, by module and function, and the classes it can have.
PLACES = {
    "model/audit.py Delivered": [{R.LOCKED}],  # the report of a locked action
    "model/outcome.py Deferred": [{R.HELD}] * 2,
    "model/outcome.py Rejected": [{R.BAD_TRIGGER}],
    "engine/breaker.py _held Deferred": [{R.HELD}],
    "engine/breaker.py _no_room Deferred": [{R.HELD}],
    "engine/exhaustion.py exhausted Rejected": [{R.EXPIRED}],
    "engine/exhaustion.py exhausted Uncertain": [{R.CUT_SHORT}],
    "engine/pipeline.py _ended Rejected": [{R.NO_DEFINITION}],
    "engine/closing.py held_while Deferred": [{R.HELD}],
    "engine/pipeline.py _refused Rejected": [{R.NO_DEFINITION, R.DENIED}],
    "engine/pipeline.py _unopened Rejected": [{R.UNSEALABLE}],
    "engine/run_pipeline.py _attempt Deferred": [{R.SCRIPT}],
    "engine/run_pipeline.py _refused Rejected": [{R.NO_DEFINITION}],
    "engine/run_pipeline.py attempt Rejected": [{R.INTERNAL}],
    "engine/worker.py _report_of Deferred": [{R.HELD}],
    "engine/worker.py _report_of Uncertain": [{R.INTERNAL}],
    SCRIPT + "hosting.py _outcome_of Delivered": [{R.DELIVERED}],
    SCRIPT + "hosting.py _outcome_of Rejected": [{R.SCRIPT}],
    SCRIPT + "hosting.py _refused Rejected": [{R.NO_DEFINITION}],
    SCRIPT + "hosting.py place Rejected": [{R.SCRIPT}],
    "dispatchers/outcomes.py combine Delivered": [{R.DELIVERED}],
    "dispatchers/script/asking.py _outcome Delivered": [{R.DELIVERED}],
    "dispatchers/script/asking.py _refused Rejected": [{R.NO_DEFINITION}],
    "model/run_analyses.py compose Rejected": [{R.BAD_TRIGGER}],
    SMTP + "action.py Rejected": [{R.BAD_TRIGGER}],
    SMTP + "action.py _refusal Rejected": [{R.BAD_TRIGGER}],
    SMTP + "classify.py _permanent Deferred": [{R.AUTHENTICATION}],
    SMTP + "classify.py _permanent Rejected": [{R.REFUSED}] * 2,
    SMTP + "classify.py classify Deferred": [
        {R.REFUSED},
        {R.THROTTLED, R.REFUSED},  # by the sender's rate, or by the recipient's
        {R.REFUSED, R.THROTTLED, R.UNREACHABLE},
    ],
    SMTP + "classify.py message_answered Delivered": [{R.DELIVERED}],
    SMTP + "classify.py message_unanswered Uncertain": [{R.UNCERTAIN}],
    SMTP + "dispatcher.py _send Deferred": [{R.UNREACHABLE}],
    SMTP + "dispatcher.py dispatch Delivered": [{R.DELIVERED}],
    SMTP + "dispatcher.py dispatch Rejected": [
        {R.BAD_DEFINITION},
        {R.BAD_DEFINITION},
        {R.BAD_TRIGGER},
    ],
    SMTP + "opener.py open Deferred": [{R.UNREACHABLE}],
    SMTP + "slots.py Deferred": [{R.HELD}],
    SMTP + "transaction.py Rejected": [{R.BAD_DEFINITION}],
    SQS + "batches.py _fifo_routing Rejected": [
        {R.BAD_DEFINITION},
        {R.BAD_TRIGGER},
        {R.BAD_TRIGGER},
    ],
    SQS + "batches.py prepare Rejected": [{R.BAD_TRIGGER}] * 2,
    SQS + "batches.py too_large Rejected": [{R.BAD_TRIGGER}],
    SQS + "classify.py _failed Deferred": [
        {R.REFUSED},
        {R.UNREACHABLE},
        {R.UNREACHABLE},
    ],
    SQS + "classify.py _failed Uncertain": [{R.UNCERTAIN}],
    SQS + "classify.py classify Deferred": [
        {R.UNREACHABLE},
        {R.THROTTLED},
        {R.AUTHENTICATION},
    ],
    SQS + "classify.py classify Rejected": [{R.REFUSED}] * 2,
    SQS + "dispatcher.py Deferred": [{R.REFUSED}],  # never the outcome of a trigger
    SQS + "dispatcher.py dispatch Rejected": [{R.BAD_DEFINITION}] * 2,
    SQS + "instruction.py Rejected": [{R.BAD_TRIGGER}] * 3,
    SQS + "sender.py _outcome Delivered": [{R.DELIVERED}],
    SQS + "sender.py _outcome Uncertain": [{R.UNCERTAIN}],
    SQS + "sender.py _send Deferred": [{R.UNREACHABLE}],
    SQS + "sender.py _send Uncertain": [{R.UNCERTAIN}],
    "services/events/external_runs.py Deferred": [{R.HELD}] * 2,
    "services/events/external_runs.py Rejected": [{R.BAD_DEFINITION}],
    "services/events/external_runs.py _outcome Delivered": [{R.DELIVERED}],
    "services/events/external_runs.py _outcome Uncertain": [{R.UNCERTAIN}],
    "services/script_calls.py cut Deferred": [{R.UNREACHABLE}],
    "services/script_calls.py cut Uncertain": [{R.UNCERTAIN}],
}
KINDS = {"Delivered", "Deferred", "Uncertain", "Rejected"}


def calls(node: ast.AST, function: str = "") -> Iterator[tuple[str, ast.Call]]:
    """Yield the calls that make outcomes, each with the function it stands in."""
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from calls(child, f"{child.name} ")
                continue
            case ast.Call(func=ast.Name(id=kind)) if kind in KINDS:
                yield f"{function}{kind}", child
        yield from calls(child, function)


def classes_of(call: ast.Call) -> set[ReasonClass]:
    """Return the classes that the call's outcome can have, by what is written there."""
    given = {word.arg: ast.unparse(word.value) for word in call.keywords}
    args = [ast.unparse(arg) for arg in call.args]
    whys = [w for w in R if given.get("why") in (f"ReasonClass.{w.name}", "why")]
    match ast.unparse(call.func):
        case "Delivered":
            return {reason_class(Delivered(""))}
        case "Uncertain":
            outcomes = [Uncertain("", why=why) for why in whys] or [Uncertain("")]
            return {reason_class(outcome) for outcome in outcomes}
        case "Rejected":
            fault = dict(enumerate(args)).get(1)
            faults = [f for f in Fault if f"Fault.{f.name}" == fault] or [*Fault]
            return {
                reason_class(Rejected("", fault, why=why))
                for fault in faults
                for why in (*whys, *([] if whys else [None]))
            }
        case _:
            return set(_deferred(given, args))


def _deferred(given: dict[str | None, str], args: list[str]) -> Iterator[ReasonClass]:
    blame = given.get("blame", dict(enumerate(args)).get(3, "Blame.MESSAGE"))
    blames = [b for b in Blame if f"Blame.{b.name}" == blame] or [*Blame]
    spent = given.get("spends_attempt", dict(enumerate(args)).get(2, "True"))
    for told in blames:
        for spends in (True, False):
            if spent != str(not spends):
                yield reason_class(Deferred("", spends_attempt=spends, blame=told))


@cache
def made() -> dict[str, list[ast.Call]]:
    places: dict[str, list[ast.Call]] = {}
    for module in MODULES:
        for place, call in calls(tree_of(module)):
            places.setdefault(f"{module.as_posix()} {place}", []).append(call)
    return places


def test_every_place_that_makes_an_outcome_is_known_with_its_classes() -> None:
    counts = {place: len(found) for place, found in made().items()}

    assert counts == {place: len(classes) for place, classes in PLACES.items()}


@pytest.mark.parametrize("place", sorted(PLACES.keys() - {"model/audit.py Delivered"}))
def test_an_outcome_has_the_class_of_its_place(place: str) -> None:
    for call, known in zip(made()[place], PLACES[place], strict=True):
        possible = classes_of(call)
        assert known <= possible
        assert len(known) == 1 or len(possible) > 1
        assert len(possible) > 1 or possible == known


def test_each_class_is_that_of_some_place() -> None:
    assert {each for known in PLACES.values() for one in known for each in one} == {*R}


def test_a_locked_action_is_no_delivery() -> None:
    assert LOCKED.reason_class is ReasonClass.LOCKED
