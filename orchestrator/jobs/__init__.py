"""Use cases of jobs: submit, cancel, claim, recover, and tell those who watch."""
