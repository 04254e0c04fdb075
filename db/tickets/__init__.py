"""Ticket queries: what decisions read, and what the API reads."""
