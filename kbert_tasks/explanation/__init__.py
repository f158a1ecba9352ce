"""Explanations of predictions: token attributions by integrated gradients, and attention maps."""
