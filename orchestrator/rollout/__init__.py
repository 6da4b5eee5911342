"""Which version of a model serves which share of the jobs, and what happens when one is worse."""
