"""Alarms, dashboard, saved queries and access logs of a stage, as resources of its stack. Pure values."""
