"""Whether this machine and an endpoint can do what a run asks of them: one finding a check, with its mend."""
