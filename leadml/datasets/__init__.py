"""Synthetic leads (`sample`) of worlds (`worlds`) whose truth is computed exactly, to test rules and methods on."""
