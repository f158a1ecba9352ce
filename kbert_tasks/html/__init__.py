"""What the HTML pages share: templates, style, fonts and drawings."""
