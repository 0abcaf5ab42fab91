"""``replayport demo``."""
def demo() -> None:
    """Demo."""
