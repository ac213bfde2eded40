"""The prompt language: text in, classes and concepts out."""
