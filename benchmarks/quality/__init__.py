"""How right: accuracy, precision, seams, learning."""
