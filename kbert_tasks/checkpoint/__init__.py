"""Reads, checks, finds, downloads and converts checkpoints in Google's format."""
