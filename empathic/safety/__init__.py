"""What stands between people in danger and a small model: the gate, its training and its trial."""
