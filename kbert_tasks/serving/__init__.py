"""Serve trained tasks over HTTP: `kbert-serve`."""
