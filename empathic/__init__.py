"""empathic: distil the empathy of a large language model into a small one that runs on a phone."""

__version__ = "0.1.0"
