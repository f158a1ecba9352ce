"""Pretraining: learns a vocabulary from raw text, tokenizes the text, and trains a checkpoint in Google's format."""
