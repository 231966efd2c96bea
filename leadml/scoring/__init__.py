"""Scoring new leads: a file, a frame or one lead, by a card, a documented rule or another estimator."""
