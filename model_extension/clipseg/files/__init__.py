"""Files that are read at run time: tokenizer, images."""
