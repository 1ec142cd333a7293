"""Is it better? Two measures of each reply, win rates with intervals, and controls that test the judge itself."""
