"""Any model's files into a package, checked first."""
