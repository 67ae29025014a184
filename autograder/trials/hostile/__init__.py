"""Hostile and unlucky hand-ins for any lesson: what each deserves is known, so a run tells whether grading holds."""

from autograder.trials.hostile.case import Case, Material
from autograder.trials.hostile.cases import cases
from autograder.trials.hostile.running import Outcome, run

__all__ = ["Case", "Material", "Outcome", "cases", "run"]
