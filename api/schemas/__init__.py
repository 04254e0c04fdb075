"""Wire schemas: what requests may hold and what answers hold."""
