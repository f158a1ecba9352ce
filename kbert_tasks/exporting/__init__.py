"""Export a trained task as a folder that other programs can use without this package."""
