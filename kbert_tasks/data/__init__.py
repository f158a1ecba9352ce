"""Tables of rows: reading files, examples, splitting and batching."""
