"""Tokens of an OpenID provider: its keys, what a token says, and the person behind it."""
