"""One module per command; each holds a function of its own name."""
