"""Markup: what stands in a page, as one who reads and fills it in finds it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser

Pairs = Sequence[tuple[str, str]]
Attributes = list[tuple[str, str | None]]

_UNSEEN = {"script", "style", "title"}
_VOID = {"input", "link", "meta", "br", "hr", "img", "source", "option"}


@dataclass(slots=True)
class Form:
    """A form; `pairs` are its fields as it is sent when nothing is typed."""

    action: str
    method: str
    pairs: list[tuple[str, str]] = field(default_factory=list)
    names: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Markup(HTMLParser):
    """Read with `read`; `words` are the texts that are seen, in their order."""

    words: list[str] = field(default_factory=list)
    forms: list[Form] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)
    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    _inside: list[str] = field(default_factory=list)
    _form: Form | None = None
    _link: str | None = None
    _select: str | None = None
    _typed: tuple[str, list[str]] | None = None

    def __post_init__(self) -> None:
        HTMLParser.__init__(self, convert_charrefs=True)

    @property
    def text(self) -> str:
        """What is seen, with single spaces."""
        return " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        had = {name: value or "" for name, value in attrs}
        self.elements.append((tag, had))
        if tag not in _VOID:
            self._inside.append(tag)
        if tag == "form":
            self._form = Form(had.get("action", ""), had.get("method", "get"))
            self.forms.append(self._form)
        elif tag == "a":
            self._link = had.get("href")
            self.links.append((had.get("href", ""), ""))
        elif self._form is not None and had.get("name"):
            self._form.names.add(had["name"])
            self._fill(self._form, tag, had)
        elif tag == "option" and self._form is not None and self._select:
            self._choose(self._form, self._select, had)

    def handle_endtag(self, tag: str) -> None:
        while tag in self._inside and self._inside.pop() != tag:
            pass
        if tag == "form":
            self._form = None
        elif tag == "a":
            self._link = None
        elif tag == "select":
            self._select = None
        elif tag == "textarea" and self._typed is not None and self._form is not None:
            name, texts = self._typed
            # The first line end after the tag is none of the text (HTML 13.1.2.5).
            self._form.pairs.append((name, "".join(texts).removeprefix("\n")))
            self._typed = None

    def handle_data(self, data: str) -> None:
        if self._typed is not None:
            self._typed[1].append(data)
        if not _UNSEEN & {*self._inside}:
            self.words.append(data)
        if self._link is not None:
            address, words = self.links[-1]
            self.links[-1] = (address, f"{words}{data}")

    def _fill(self, form: Form, tag: str, had: dict[str, str]) -> None:
        """Note what the field holds, if it is sent without being touched."""
        kind, name = had.get("type", "text"), had["name"]
        if tag == "textarea":
            self._typed = (name, [])
        elif tag == "select":
            self._select = name
        elif tag == "input" and kind in ("checkbox", "radio"):
            if "checked" in had:
                form.pairs.append((name, had.get("value", "on")))
        elif tag == "input" and kind not in ("submit", "button", "file"):
            form.pairs.append((name, had.get("value", "")))

    def _choose(self, form: Form, name: str, had: dict[str, str]) -> None:
        """The first option stands until one that is `selected`."""
        chosen = any(each == name for each, _ in form.pairs)
        if chosen and "selected" in had:
            form.pairs = [pair for pair in form.pairs if pair[0] != name]
        if not chosen or "selected" in had:
            form.pairs.append((name, had.get("value", "")))


def read(html: str) -> Markup:
    markup = Markup()
    markup.feed(html)
    markup.close()
    return markup


def filled(
    form: Form, typed: dict[str, str | Sequence[str]]
) -> Iterator[tuple[str, str]]:
    """Give the form's fields as they are sent, with what was typed in their place.

    What was typed for several fields of one name is a list of texts.
    """
    yield from (pair for pair in form.pairs if pair[0] not in typed)
    for name, texts in typed.items():
        for text in [texts] if isinstance(texts, str) else texts:
            yield (name, text)
