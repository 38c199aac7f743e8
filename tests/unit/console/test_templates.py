"""Templates: all is escaped, and no script or style stands in a page."""

import re
from pathlib import Path

import pytest

from tests.unit.source import ROOT

FOLDER = ROOT / "console" / "templates"
TEMPLATES = sorted(FOLDER.rglob("*.html"))
# What a page must not have, and how it would be written.
REFUSED = {
    "text that is not escaped": r"\|\s*safe\b|autoescape|Markup",
    "a style of one element": r"\bstyle\s*=",
    "styles in the page": r"<style\b",
    "a handler": r"""[\s"']on[a-z]+\s*=""",
    "a script in the page": r"<script\b(?![^>]*\bsrc=)",
    "what comes from elsewhere": r"""(?:src|href|action)\s*=\s*["'](?:https?:)?//""",
    "a script as an address": r"javascript:",
    "what htmx evaluates": r"hx-on|hx-live|js:|hx-trigger=[\"'][^\"']*\[",
    "an attribute without quotes": r"<[a-z][^<>]*\s[a-z-]+=\{\{",
}


def test_there_are_templates() -> None:
    assert len(TEMPLATES) > 5


@pytest.mark.parametrize("refused", REFUSED)
@pytest.mark.parametrize(
    "template", TEMPLATES, ids=lambda path: str(path.relative_to(FOLDER))
)
def test_no_template_has(template: Path, refused: str) -> None:
    found = re.findall(REFUSED[refused], template.read_text(), re.IGNORECASE)

    assert not found


def test_no_script_makes_html_of_text() -> None:
    for script in (ROOT / "console" / "static").glob("*.js"):
        sinks = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b"
        found = re.findall(sinks, script.read_text())
        assert found == [], script.name


def test_each_icon_that_a_template_shows_is_in_the_sprite() -> None:
    sprite = (ROOT / "console" / "static" / "icons.svg").read_text()
    there = {*re.findall(r'<symbol id="([^"]+)"', sprite)}
    shown = {
        name
        for template in TEMPLATES
        for name in re.findall(r'icon\("([a-z0-9-]+)"', template.read_text())
    }

    assert shown <= there
