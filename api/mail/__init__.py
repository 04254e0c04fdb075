"""Mail that comes in: taken from other servers, kept, and made into tickets and comments."""
