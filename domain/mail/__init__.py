"""Mail: addresses, what a message says, and what it answers."""
