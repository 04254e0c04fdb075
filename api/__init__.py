"""The REST front end: routes, wire schemas, authentication, errors and paging."""
