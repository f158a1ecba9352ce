"""Pretraining: from raw text to a vocabulary, to tokens on disk, to a checkpoint in Google's format."""
