"""Pages: the screens of the console, one module each."""

from keyrelay.console.pages import secrets, session
from keyrelay.console.visit import PageRoute

PAGES: tuple[PageRoute, ...] = (
    *session.PAGES,
    *secrets.PAGES,
)
