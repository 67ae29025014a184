"""What tries the grader: hostile and invented hand-ins, stock nbgrader; in no wheel."""
