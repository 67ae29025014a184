"""The course: its folder, its settings, its secret, its nbgrader."""
