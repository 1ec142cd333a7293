"""The small model: its prompt, its two steps of training, and merging what it learnt."""
