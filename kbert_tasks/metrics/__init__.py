"""Computes and formats scores of predictions, and calibrates probabilities."""
