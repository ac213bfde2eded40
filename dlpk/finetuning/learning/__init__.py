"""What learns, from activations that are computed once."""
