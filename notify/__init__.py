"""Delivery channels behind one protocol, and the templates of what they deliver."""
