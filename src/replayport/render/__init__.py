"""Pictures of recordings, drawn by a Chromium that runs nothing recorded and asks for nothing."""
