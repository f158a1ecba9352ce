"""Scores of predictions, calibration of probabilities, and their formatting."""
