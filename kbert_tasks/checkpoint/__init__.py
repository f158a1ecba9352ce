"""Checkpoints in Google's format: reading, checking, finding, downloading and converting them."""
