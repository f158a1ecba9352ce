"""Save trained tasks as folders."""
