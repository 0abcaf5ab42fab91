"""Links with which anybody sees one recording, or a part of it: made, cut, revoked."""
