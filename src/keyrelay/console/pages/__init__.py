"""Pages: the screens of the console, one module each."""

from keyrelay.console import live
from keyrelay.console.pages import (
    access,
    action_tabs,
    actions,
    analyses,
    analysis_scripts,
    attempts,
    audit,
    dead_letters,
    jobs,
    overview,
    secrets,
    session,
    tokens,
    triggers,
)
from keyrelay.console.visit import PageRoute, ScriptRoute

PAGES: tuple[PageRoute | ScriptRoute, ...] = (
    *session.PAGES,
    *overview.PAGES,
    *secrets.PAGES,
    *actions.PAGES,
    *action_tabs.PAGES,
    *access.PAGES,
    *triggers.PAGES,
    *attempts.PAGES,
    *dead_letters.PAGES,
    *jobs.PAGES,
    *tokens.PAGES,
    *jobs.ROUTES,
    *live.ROUTES,
    *analyses.PAGES,
    *analysis_scripts.PAGES,
    *audit.PAGES,
)
