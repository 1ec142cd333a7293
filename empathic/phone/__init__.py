"""The file that ships: GGUF from merged weights, and proof that it answers as the model does."""
