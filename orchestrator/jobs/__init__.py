"""Use cases of jobs: submit, cancel, claim, recover, and announce to watchers."""
