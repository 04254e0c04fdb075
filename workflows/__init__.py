"""Durable shells: they keep state, take one input at a time and sleep until the next deadline."""
