"""Workflows of today replay what was written yesterday."""
