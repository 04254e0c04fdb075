"""What crashes, outages and lost data must not do to a ticket, tried on whole installations (docs/chaos.md)."""
