"""What tries the grader: hostile and invented hand-ins, stock nbgrader; in no wheel."""

from pathlib import Path

STOCK = Path(__file__).parent / "stock"
"""Settings by which nbgrader runs what students wrote itself, with our rights: for our own samples only."""
