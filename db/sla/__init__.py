"""Service levels: calendars, definitions, escalation rules, and all of them together as the worker reads them."""
