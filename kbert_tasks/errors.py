"""Defines the exceptions for unusable input."""


class InputError(ValueError):
    """Unusable input; the message says in one sentence what was expected, what was found and what to do.

    The commands print the message and exit with status 2. The Python API raises the exception.
    """


class RowError(InputError):
    """Unusable input in one row; the caller adds the file and the row number to the message."""
