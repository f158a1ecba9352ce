"""Comparison of training runs: their settings, their scores, and whether differences are significant."""
