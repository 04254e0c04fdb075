"""Proof that Summit does what it promises, on real servers of the tests' own."""
