"""New versions of models: compare a candidate with the version in use, publish it, withdraw it, restore it."""
