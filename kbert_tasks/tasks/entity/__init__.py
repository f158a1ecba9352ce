"""Named entities: parts of a text with a type. They may overlap."""
