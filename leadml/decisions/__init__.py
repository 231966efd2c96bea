"""From consequences to cut-offs, bands and actions; knows no estimator and no framework."""
