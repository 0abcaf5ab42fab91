import csv
import io
import json

from hypothesis import given
from hypothesis import strategies as st

from replayport.sources.posthog_listing import ListedBlock, join_rows, listed, read_rows, zip_blocks

T = 1_700_000_000_000
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), min_size=1, max_size=12)


def clickhouse_array(items):
    quoted = [x.replace("\\", "\\\\").replace("'", "\\'") for x in items]
    return "[" + ",".join(f"'{x}'" for x in quoted) + "]"


@given(urls=st.lists(NAMES, max_size=5, unique=True))
def test_arrays_in_csv_are_read_as_clickhouse_writes_them(urls):
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["session_id", "min_first_timestamp", "block_urls"])
    writer.writerow(["s", "2023-11-14 22:13:20", clickhouse_array(urls)])
    (found,) = join_rows(read_rows(out.getvalue(), what="x"))
    assert {b.url for b in found.blocks} == set(urls)


@given(order=st.permutations(range(6)), cut=st.integers(0, 6))
def test_rows_in_any_order_and_parts_make_the_same_recording(order, cut):
    def row(numbers):
        return {
            "session_id": "s",
            "min_first_timestamp": T + min(numbers) * 1000,
            "max_last_timestamp": T + max(numbers) * 1000 + 900,
            "block_first_timestamps": [T + n * 1000 for n in numbers],
            "block_last_timestamps": [T + n * 1000 + 900 for n in numbers],
            "block_urls": [f"s3://b/k?range=bytes={n}-{n}" for n in numbers],
        }

    rows = [row(part) for part in (order[:cut], order[cut:]) if part]
    (found,) = join_rows(read_rows(json.dumps(rows), what="x"))
    assert [b.start_ms for b in found.blocks] == [T + n * 1000 for n in range(6)]
    assert (found.start_ms, found.end_ms) == (T, T + 5900)
    assert found.halfway_ms is None
    assert not found.lengths_differ


def test_blocks_without_times_go_by_when_they_were_written():
    urls = [
        f"s3://b/session_recordings/30d/{T + n}-0123456789abcdef?range=bytes=0-1" for n in (2, 0, 1)
    ]
    blocks, fit = zip_blocks(urls, [T])
    assert not fit
    found = listed("s", start_ms=T, end_ms=T, blocks=blocks)
    assert [b.url for b in found.blocks] == sorted(urls)


def test_a_first_block_that_is_gone_shows():
    found = listed("s", start_ms=T, end_ms=T, blocks=[ListedBlock("u", T + 5)])
    assert found.halfway_ms == T + 5


def test_rows_without_a_session_or_a_time_are_left_out():
    rows = [{"session_id": "", "min_first_timestamp": T}, {"session_id": "s"}, {"other": 1}]
    assert list(join_rows(rows)) == []
