"""A page on which prompts are tried out on a map, and the server behind it."""
