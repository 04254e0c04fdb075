"""Pure rules: states, transitions, deadlines. Instants and ids are arguments."""
