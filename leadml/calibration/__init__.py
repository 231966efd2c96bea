"""Calibration: closed deals in, verdicts on documented rules and a learned card out."""
