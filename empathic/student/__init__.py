"""The small model: its prompt, the steps of its training, and merging what it learnt."""
