"""The command: thin layers over the functions of the library."""
