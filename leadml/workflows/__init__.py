"""The verbs that notebooks, the command line and the page call."""
