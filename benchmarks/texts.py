"""Seeded text whose words are distributed as in a natural language: few are everywhere, thousands are rare."""

import itertools
import random

VOCABULARY = 8000

COMMON = (
    *("error", "account", "access", "login", "password", "report", "dashboard", "update", "invoice", "server"),
    *("request", "page", "customer", "email", "export", "timeout", "failed", "connection", "user", "data", "import"),
    *("sync", "billing", "button", "screen", "upload", "network", "browser", "payment", "license", "permission"),
    *("settings", "search", "slow", "broken", "missing", "notification", "mobile", "install", "version", "backup"),
)
"""The most frequent words, in this order; a search for two of them matches much."""

_SYLLABLES = [a + b for a in "bcdfghjklmnprstvz" for b in ("a", "e", "i", "o", "u", "ar", "en", "il", "on", "us")]


def vocabulary(size: int = VOCABULARY) -> list[str]:
    """Distinct words, the most frequent first; always the same."""
    chooser = random.Random(11)
    words = dict.fromkeys(COMMON)
    while len(words) < size:
        words["".join(chooser.choices(_SYLLABLES, k=chooser.randint(2, 4)))] = None
    return list(words)


class Texts:
    """A stream of texts; the same seed gives the same stream."""

    def __init__(self, seed: int, size: int = VOCABULARY) -> None:
        self.random = random.Random(seed)
        self.vocabulary = vocabulary(size)
        # Zipf–Mandelbrot: the shift keeps the first few from filling every line.
        self._weights = list(itertools.accumulate(1 / (rank + 12) for rank in range(size)))

    def words(self, count: int) -> str:
        """So many words."""
        return " ".join(self.random.choices(self.vocabulary, cum_weights=self._weights, k=count))

    def rare(self) -> str:
        """A word from the rarest tenth."""
        return self.random.choice(self.vocabulary[-len(self.vocabulary) // 10 :])

    def common(self, count: int) -> str:
        """So many different words from the most frequent."""
        return " ".join(self.random.sample(COMMON, count))
