"""Measurements of Summit beside the bare engine; `python -m benchmarks` runs them all and prints one table."""
