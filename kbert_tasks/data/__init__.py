"""Reads tables, makes examples from their rows, and splits and batches them."""
