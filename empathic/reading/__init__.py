"""Readings: grades that blind readers, people or models, gave replies, kept as data."""
