"""
Mobile replay: PostHog's wireframes rebuilt as the DOM an rrweb player understands.

`transform.MobileTransformer` takes a window's events in order; `converters` and `inputs`
turn one wireframe into nodes, with what `drawing` gives them; `style` writes the CSS.
What is stored is the wireframes, as the SDK sent them: this runs when a recording is
read for playing.

Source:
    posthog ``common/replay-shared/src/mobile/``.
"""

from __future__ import annotations

from replayport.posthog.mobile.transform import MobileTransformer, transform

__all__ = ["MobileTransformer", "transform"]
