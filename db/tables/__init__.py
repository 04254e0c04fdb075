"""Every table, defined once."""
