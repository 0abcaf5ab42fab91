from __future__ import annotations

import pytest

from replayport.plurals import counted


@pytest.mark.parametrize(
    ("n", "said"), [(0, "0 visits"), (1, "1 visit"), (2, "2 visits"), (1234, "1,234 visits")]
)
def test_what_is_counted_agrees_with_its_number(n, said):
    assert counted(n, "visit") == said
