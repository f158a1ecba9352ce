"""Runs beside one another: what they were told, what they scored, and whether the difference is more than chance."""
