"""Rules of telling people: whom, on which channels, when, and how often it is tried."""
