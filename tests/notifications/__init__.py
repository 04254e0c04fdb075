"""Telling people and webhooks, on real servers of mail and HTTP."""
