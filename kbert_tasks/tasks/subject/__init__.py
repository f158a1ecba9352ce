"""Subject extraction: the entities that an event is about."""
