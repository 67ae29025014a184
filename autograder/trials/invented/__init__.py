"""Invented hand-ins whose deserved points are known."""
