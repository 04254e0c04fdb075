"""`summit import`: tickets of other desks, with the people, accounts and teams that they belong to."""
