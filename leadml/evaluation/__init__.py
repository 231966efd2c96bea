"""Compare scores, probabilities and decisions on held-out deals; knows no estimator and no framework."""
