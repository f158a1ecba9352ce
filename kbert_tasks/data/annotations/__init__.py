"""Formats of annotated texts: files of annotation tools and of published data sets, read and written."""
