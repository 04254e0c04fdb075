"""Tickets over HTTP, with a real worker behind."""
