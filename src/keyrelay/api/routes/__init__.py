"""Routes: all that the API answers, noun by noun."""

from keyrelay.api.route import Route
from keyrelay.api.routes import (
    access,
    account,
    actions,
    analyses,
    analysis_contents,
    attempts,
    audit,
    consoles,
    dead_letters,
    events,
    installation,
    jobs,
    publishing,
    runs,
    script_services,
    secrets,
    tags,
    tokens,
    triggers,
)

# They are tried in this order: those that are asked most stand first.
ROUTES: tuple[Route, ...] = (
    *publishing.ROUTES,
    *triggers.ROUTES,
    *account.ROUTES,
    *secrets.ROUTES,
    *tags.ROUTES,
    *access.ROUTES,
    *actions.ROUTES,
    *analyses.ROUTES,
    *analysis_contents.ROUTES,
    *runs.ROUTES,
    *script_services.ROUTES,
    *consoles.ROUTES,
    *attempts.ROUTES,
    *dead_letters.ROUTES,
    *events.ROUTES,
    *jobs.ROUTES,
    *audit.ROUTES,
    *tokens.ROUTES,
    *installation.ROUTES,
)
