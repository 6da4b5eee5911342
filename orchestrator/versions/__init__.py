"""New versions of models: check a candidate beside the one in use, put it into the repository, take it out again."""
