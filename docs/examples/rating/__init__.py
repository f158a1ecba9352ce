"""Rating: a number for a text."""
