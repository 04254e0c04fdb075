"""Delivery channels and message templates."""
