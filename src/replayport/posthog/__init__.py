"""PostHog's encodings, pure: bytes in, events out. No files, no sockets, no clock."""
