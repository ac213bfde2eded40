"""Teaching a package from labels."""
