"""``python -m replayport.cli``."""

from replayport.cli import main

main()
