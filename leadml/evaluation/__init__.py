"""Evaluation of held-out decisions: knows the log, and no estimator or framework."""
