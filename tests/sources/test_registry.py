import pytest

from replayport.errors import SettingsError
from replayport.sources import SOURCES, load_source


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_loads_and_has_what_a_source_needs(name):
    source = load_source(name)
    for attribute in (
        "kind",
        "key",
        "project",
        "oldest_first",
        "list_recordings",
        "fetch",
        "count",
        "time_left_s",
    ):
        assert hasattr(source, attribute)


def test_an_unknown_source_names_the_near_one():
    with pytest.raises(SettingsError, match="Did you mean 'posthog'"):
        load_source("posthogg")
