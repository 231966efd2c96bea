"""Scoring estimators for scikit-learn, and the fits under them: points given, points learned, models beside cards."""
