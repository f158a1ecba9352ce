"""Converts between text and tokens: tokenization, character positions, windows of long texts."""
