"""The one exception that means: what you gave is not usable, and here is what to do."""


class InputError(ValueError):
    """Bad input, told in one sentence: what was wanted, what came, what to do.

    The commands print the sentence and end with exit status 2; the Python API raises it.
    """


class RowError(InputError):
    """Bad input in one row; who knows the file and the row puts them in front."""
