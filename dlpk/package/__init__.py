"""A .dlpk, a folder or an EMD opened safely, and everything wrong with it as a container."""
