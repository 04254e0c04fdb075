"""Tables, read queries, record writes and projection writes."""
