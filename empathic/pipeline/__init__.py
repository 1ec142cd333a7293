"""A run from its recipe to its report: the stages, their order, and when one is out of date."""
