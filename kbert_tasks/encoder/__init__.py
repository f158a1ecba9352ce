"""The BERT encoder: its graph, its operations, its precision, and loading a checkpoint into it."""
