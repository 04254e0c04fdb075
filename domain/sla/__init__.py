"""Service levels: calendars, clocks, targets, escalation and credits."""
