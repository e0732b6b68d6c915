"""Other simulators, and plain rewritings, that the twin is held against."""
