"""Decisions recorded in one transaction, and the effects that follow them."""
