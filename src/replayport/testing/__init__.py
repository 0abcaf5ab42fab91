"""
Doubles and builders for tests: of replayport, and of what is built on it.

`FakePostHog` is an ASGI app that behaves like PostHog's API, faults included. Serve it
over a real socket, so that a cut stream is one::

    fake = FakePostHog([FakeRecording("0198-a", blocks=[lines])])
    with serve(fake) as url:
        source = PostHogSource(url, fake.project_id, fake.api_key)
"""

from replayport.testing.fake_bigquery import BigQueryFault, FakeBigQuery
from replayport.testing.fake_posthog import FakePostHog, Fault, LoggedRequest
from replayport.testing.recordings import (
    FakeEvent,
    FakeRecording,
    WireRequest,
    load_requests,
    save_requests,
)
from replayport.testing.serving import FakeClock, serve

__all__ = [
    "BigQueryFault",
    "FakeBigQuery",
    "FakeClock",
    "FakeEvent",
    "FakePostHog",
    "FakeRecording",
    "Fault",
    "LoggedRequest",
    "WireRequest",
    "load_requests",
    "save_requests",
    "serve",
]
