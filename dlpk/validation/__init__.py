"""All checks of a package in one report, and its forms."""
