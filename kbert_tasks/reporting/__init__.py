"""report.html: the report of a training run as one page that works offline."""
