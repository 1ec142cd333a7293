"""What the student learns from: SFT examples and preference pairs."""
