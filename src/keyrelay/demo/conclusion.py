"""Conclusion: what was shown, in a few lines that a person remembers."""

from keyrelay.demo.stage import Stage

_SHOWN = (
    "A hundred triggers came in; each became a mail, a message or a dead letter.",
    "A worker was killed with SIGKILL; another one finished its work.",
    "An action without a policy got no secret, and the denial says what was missing.",
    "The password and the key went in once and came out nowhere.",
)
_NEXT = (
    "README.md           set up your own, in five commands",
    "keyrelay --help     every command, with examples",
    "docs/why.md         why it is so",
)


def conclude(stage: Stage, seconds: float, trouble: str | None) -> None:
    """Sum up; or name what did not hold, or why the story broke off."""
    stage.scene(f"That was it: {seconds:.0f} seconds")
    if trouble is not None:
        stage.check(f"the demo broke off: {trouble}", holds=False)
    elif stage.failed:
        stage.say("Not every check held:")
        stage.output(stage.failed)
    else:
        stage.say("What you saw:")
        stage.output(_SHOWN)
        stage.say("Where to go next:")
        stage.output(_NEXT)
