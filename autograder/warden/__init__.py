"""Jails: who starts them, behind which walls."""
