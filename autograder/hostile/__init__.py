"""Hostile and unlucky hand-ins for any lesson: what each deserves is known, so a run tells whether grading holds."""

from autograder.hostile.case import Case, Material
from autograder.hostile.cases import cases
from autograder.hostile.running import Outcome, run

__all__ = ["Case", "Material", "Outcome", "cases", "run"]
