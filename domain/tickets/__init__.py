"""Ticket rules: the model, the lifecycle, what falls due, and what each command does."""
