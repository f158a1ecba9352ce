"""Relation extraction: (subject, predicate, object) triples."""
