"""The stages of a run, one a file: keys, inputs, outputs, work and forecast. `order.py` puts them in a row."""
