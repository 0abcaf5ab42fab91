"""Routes of the server, one module a noun."""
