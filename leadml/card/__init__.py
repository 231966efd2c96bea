"""Cards: tables of points that can be read, compared, stored and applied."""
