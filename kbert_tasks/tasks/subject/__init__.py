"""Subject extraction: finds the entities that an event is about."""
