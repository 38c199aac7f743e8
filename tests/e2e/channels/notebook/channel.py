"""The channel `note`: a line in a notebook, which its PIN opens."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from keyrelay.dispatchers.channel import Channel
from keyrelay.model.action import ActionType, Message, MessagePreview
from keyrelay.model.action_document import require_secret, require_template
from keyrelay.model.credentials import read_fields, require_printable
from keyrelay.model.data_point import facts_of
from keyrelay.model.fields import Field
from keyrelay.model.outcome import Deferred, Delivered, Fault, Outcome, Rejected
from keyrelay.model.secret import OpenedSecret, SecretType, SecretValue
from keyrelay.model.templates import Fact, Facts, Template, remarks_on
from keyrelay.model.trigger import Trigger
from keyrelay.ports import Dispatcher, StillHeld

NAME = "note"
SECRET = "notebook"
LONGEST_LINE = 64 * 1024  # bytes
ACTION_FIELDS = (
    Field(name="notebook_secret", description="The id of the notebook's secret."),
    Field(name="line", description="The line, a template."),
)
SECRET_FIELDS = (
    Field(name="path", description="Where the notebook lies."),
    Field(name="pin", description="What opens it.", hidden=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Write one line (model.action.Instruction)."""

    channel: ClassVar[str] = NAME

    secret: str
    line: Template

    @property
    def mentions(self) -> frozenset[Fact]:
        return self.line.mentions

    @property
    def remarks(self) -> tuple[str, ...]:
        return remarks_on([self.line])

    def check(self, *, fifo: bool) -> None:
        """A note goes into every notebook."""

    def extent(self, trigger: Trigger) -> int:
        return self.line.size(_facts(trigger))

    def compose(self, trigger: Trigger, done: Collection[str]) -> "Line | Rejected":
        if self.extent(trigger) > LONGEST_LINE:
            return Rejected("the trigger would make too long a line", Fault.TRIGGER)
        return Line(self.line.fill(_facts(trigger)))


def _facts(trigger: Trigger) -> Facts:
    return facts_of(trigger.data, trigger.lifetime.raised_at)


@dataclass(frozen=True, slots=True)
class Line:
    replaced: ClassVar[tuple[str, ...]] = ()

    text: str


class Notebook:
    """Writes lines (ports.Dispatcher)."""

    async def dispatch(
        self,
        message: Message,
        secret: OpenedSecret,
        still_held: StillHeld | None = None,
    ) -> Outcome:
        assert isinstance(message, Line)
        fields = read_fields(secret.value, SECRET_FIELDS, SECRET)
        try:
            count = await asyncio.to_thread(_append, str(fields["path"]), message.text)
        except OSError as error:
            return Deferred(f"the notebook cannot be written: {error.strerror}")
        return Delivered(f"line {count}")


def _append(path: str, line: str) -> int:
    """Return how many lines there are now."""
    with Path(path).open("a+") as notebook:
        notebook.write(f"{line}\n")
        notebook.seek(0)
        return len(notebook.readlines())


def note_channel(_: object) -> Channel:
    notebook = SecretType(name=SECRET, fields=SECRET_FIELDS, check=_check)
    return Channel(
        action=ActionType(
            name=NAME,
            secret=notebook,
            fields=ACTION_FIELDS,
            parse=_parse,
            preview=_preview,
        ),
        open=_open,
    )


def _check(value: SecretValue) -> bool:
    for name, member in read_fields(value, SECRET_FIELDS, SECRET).items():
        require_printable(member, name)
    return False


def _parse(document: Mapping[str, object]) -> Note:
    return Note(
        secret=require_secret(document, "notebook_secret"),
        line=require_template(document.get("line"), "line"),
    )


def _preview(message: Message, *, fifo: bool) -> MessagePreview:
    assert isinstance(message, Line)
    return MessagePreview(document={"line": message.text})


@asynccontextmanager
async def _open() -> AsyncIterator[Dispatcher]:
    yield Notebook()
