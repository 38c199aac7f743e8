"""Routes: all that the API answers, noun by noun."""

from keyrelay.api.route import Route
from keyrelay.api.routes import (
    access,
    account,
    actions,
    secrets,
    tags,
    tokens,
    triggers,
)

ROUTES: tuple[Route, ...] = (
    *account.ROUTES,
    *secrets.ROUTES,
    *tags.ROUTES,
    *access.ROUTES,
    *actions.ROUTES,
    *triggers.ROUTES,
    *tokens.ROUTES,
)
