"""How each state of a run or an attempt is shown: a word, a shape and a role of colour, never colour alone."""

from __future__ import annotations

from arrcoc_gui.widgets.shapes import StateLook

_LOOKS = {
    "queued": StateLook("queued", "circle", "muted", live=True),
    "waiting": StateLook("waiting", "circle", "muted", live=True),
    "preparing": StateLook("preparing", "square-hollow", "accent", live=True),
    "starting": StateLook("starting", "triangle-hollow", "accent", live=True),
    "running": StateLook("running", "triangle", "accent", live=True),
    "recovering": StateLook("recovering", "loop", "warn", live=True),
    "cancelling": StateLook("cancelling", "square-hollow", "warn", live=True),
    "preempted": StateLook("preempted", "bars", "warn"),
    "succeeded": StateLook("succeeded", "tick", "good"),
    "failed": StateLook("failed", "cross", "bad"),
    "cancelled": StateLook("cancelled", "square", "muted"),
    # The words of W&B, for runs that are read from there.
    "pending": StateLook("pending", "circle", "muted", live=True),
    "preempting": StateLook("preempting", "bars", "warn", live=True),
    "finished": StateLook("finished", "tick", "good"),
    "crashed": StateLook("crashed", "cross", "bad"),
    "killed": StateLook("killed", "square", "muted"),
}


def look_of(state: str) -> StateLook:
    """The look of a state; one this version does not know is shown by its own word."""
    return _LOOKS.get(state) or StateLook(state, "circle", "muted")
