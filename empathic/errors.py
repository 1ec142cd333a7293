"""How a run ends early: by a mistake that a person can mend, or because it has to wait."""


class UserError(Exception):
    """A mistake of the user's: one line that names the file, line or key, and the mend.

    The command line prints it on stderr and exits with code 2, without a traceback.
    """


class BatchPending(Exception):
    """Nothing is wrong, but what comes next isn't there yet; says what to wait for.

    The command line prints it and exits with code 0; the same command goes on another time.
    """
