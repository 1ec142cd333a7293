"""One page to read: what came of a run, with its intervals and its faults."""
