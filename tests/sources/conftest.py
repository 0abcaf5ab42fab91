import pytest

from replayport.sources.posthog_api import PostHogSource
from replayport.sources.rate_limits import Limit
from replayport.testing import FakeClock, serve

FREELY = [Limit(10**6, 60)]


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def connect(clock):
    """Serve a fake and give a source on it, without limits unless asked."""
    opened = []
    urls = {}

    def make(fake, **options):
        if id(fake) not in urls:
            server = serve(fake)
            urls[id(fake)] = server.__enter__()
            opened.append(lambda: server.__exit__(None, None, None))
        url = urls[id(fake)]
        options.setdefault("api_limits", FREELY)
        options.setdefault("query_limits", FREELY)
        source = PostHogSource(
            url,
            fake.project_id,
            options.pop("api_key", fake.api_key),
            clock=clock,
            sleep=clock.sleep,
            **options,
        )
        opened.append(source.close)
        return source

    yield make
    for close in reversed(opened):
        close()
