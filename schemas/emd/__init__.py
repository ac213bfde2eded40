"""The model definition (EMD): its schema, and the rules that no schema can hold."""
