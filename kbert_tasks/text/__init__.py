"""Text to tokens and back: tokenization, positions of characters, windows of long texts."""
