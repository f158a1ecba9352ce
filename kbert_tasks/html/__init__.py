"""Templates, style, fonts and plots that all HTML pages share."""
