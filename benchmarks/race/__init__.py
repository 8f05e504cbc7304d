"""Training races: the same network, data and updates in Chainrule and in its peers."""
