"""Lessons from their sources to what students get."""
