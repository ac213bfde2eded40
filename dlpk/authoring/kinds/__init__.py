"""Models as their authors have them, one module per kind of file."""
