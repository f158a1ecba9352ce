"""Configuration files: reading the options of a command from YAML or JSON, and writing those of a run."""
