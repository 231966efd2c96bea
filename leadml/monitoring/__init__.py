"""Monitoring a card in use: drift of leads, predictions against outcomes, alarms valid over all looks."""
