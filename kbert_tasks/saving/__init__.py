"""The folder of a trained task."""
