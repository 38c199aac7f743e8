"""Sentences: what a page says of what was just done; its address has the word."""

from collections.abc import Mapping

SENTENCES: Mapping[str, str] = {
    "created": "Created.",
    "saved": "Saved.",
    "deleted": "Deleted.",
    "replaced": "The value was replaced. What waits for this secret goes on.",
    "published": "The trigger was accepted.",
    "redriven": "Put into the queue again.",
    "dropped": "Dropped for good.",
    "revoked": "Revoked. No process takes it a second later.",
    "held": "Held until it is released.",
    "released": "Released.",
    "cancelled": "Cancelled.",
    "retried": "It is attempted now.",
    "started": "Started.",
    "operator": "The facts of the whole installation are shown now.",
}
