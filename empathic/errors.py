"""The one exception for mistakes that a person can mend."""


class UserError(Exception):
    """A mistake of the user's: one line that names the file, line or key, and the mend.

    The command line prints it on stderr and exits with code 2, without a traceback.
    """
