"""Deals and leads of a CRM export: mapping, reading, encoding, units, splits."""
