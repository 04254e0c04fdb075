"""Rules, without servers."""
