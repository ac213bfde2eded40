"""What a function's text shows, without running it."""
