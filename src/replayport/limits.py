"""
How large foreign bytes may become when decoded, and why.

Everything that inflates takes one of these, so that a decompression bomb is a
counted reject reason and never an exhausted machine.
"""

from __future__ import annotations

from typing import Final

MAX_EVENT_BYTES: Final = 256 * 2**20
"""
Largest single decoded event. PostHog's ingestion refuses messages over 64 MiB
decompressed; the largest full snapshot met in the wild is about 10 MB.
"""

MAX_RECORDING_BYTES: Final = 2**30
"""
Largest decoded recording held in memory at once; setting `max_recording_bytes`.
A day of heavy use stays under 200 MB.
"""

MAX_BLOCK_BYTES: Final = 512 * 2**20
"""
Largest decoded source block. PostHog flushes a batch of *all* sessions at 100 MB,
long-term copies hold a whole recording in one block.
"""
