"""What makes a model's steps cheap without changing their results."""
