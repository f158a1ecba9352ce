"""The BERT encoder: graph, operations, precision, and checkpoint loading."""
