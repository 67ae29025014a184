"""nbgrader's gradebook and pages."""
