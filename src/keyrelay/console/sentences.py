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
    "uploaded": "Kept as a new version, which runs from now on.",
    "cleared": "The console was cleared.",
    "asked": "The run is kept, and begins once its turn comes.",
    "operator": "The facts of the whole installation are shown now.",
}
