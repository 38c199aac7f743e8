"""Kinds: the words by which policies name what asks, what is asked for, and acts.

Policies made for TagoIO may be about kinds that are not here. They are kept, and match
nothing.
"""

from collections.abc import Mapping

from keyrelay.model.action import TARGET
from keyrelay.model.secret import RESOURCE

ACCESS = "access"  # releases a secret's value
CREATE = "create"
EDIT = "edit"
DELETE = "delete"
RUN = "run_analysis"
TRIGGER = "trigger"
ANALYSIS = "analysis"

# What is governed here, and what can be done to each.
VERBS: Mapping[str, tuple[str, ...]] = {
    RESOURCE: (ACCESS, CREATE, EDIT, DELETE),
    ANALYSIS: (ACCESS, CREATE, EDIT, DELETE, RUN),
    TARGET: (ACCESS, TRIGGER),
}

# As TagoIO's clients of JavaScript 12.3.1 and Python 5.1.8 name them, in their types
# and in what they say of Access Management.
# fmt: off
ELSEWHERE = (
    "access_management", "account", "am", "billing", "bucket", "connector",
    "dashboard", "device", "dictionary", "entity", "file", "files", "integration",
    "network", "notification", "profile", "run", "run_user", "run_users",
    "service_authorization", "sql", "sql_query", "tcore", "team_members", "template",
)
# fmt: on

_ELSEWHERE: Mapping[str, str] = {kind: kind for kind in ELSEWHERE}

# By the spellings that a tuple may begin with; those that match something are first.
TARGETS: Mapping[str, str] = {TARGET: TARGET, ANALYSIS: ANALYSIS, **_ELSEWHERE}
RESOURCES: Mapping[str, str] = {
    **{kind: kind for kind in VERBS},
    "secret": RESOURCE,
    **_ELSEWHERE,
}


def is_here(kind: str) -> bool:
    """Return whether there can be things of this kind here."""
    return kind in VERBS
