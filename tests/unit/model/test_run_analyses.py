"""Run analyses: what an action of type `script` asks for, of what is not done."""

from keyrelay.model.outcome import NOTHING_LEFT
from keyrelay.model.run_analyses import RunAnalyses, WantedRuns
from tests.samples import a_trigger


def test_only_the_analyses_that_are_not_done_are_wanted() -> None:
    action, trigger = RunAnalyses(analyses=("a", "b")), a_trigger()

    wanted = action.compose(trigger, {"a"})

    assert isinstance(wanted, WantedRuns)
    assert wanted.analyses == ("b",)
    assert action.compose(trigger, {"a", "b"}) is NOTHING_LEFT
