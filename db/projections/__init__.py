"""What a decision writes to the tables of its area."""
