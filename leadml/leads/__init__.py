"""What a CRM says: from an export to levels, by a mapping."""
