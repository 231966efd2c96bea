"""What a calibration and a monitoring look like: first screen in the terminal, charts, pages."""
