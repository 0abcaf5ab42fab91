"""The web server: recordings in a browser, from any archive."""
