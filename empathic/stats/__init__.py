"""Statistics of outcomes: numbers in, numbers out; what was compared, and by whom, is not their matter."""
