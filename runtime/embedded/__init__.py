"""A whole installation on one machine: Postgres and Temporal from wheels, supervised with our processes."""
