"""Service levels on the wire."""
