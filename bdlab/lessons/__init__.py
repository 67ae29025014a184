"""A lesson's figures, widgets and cached trainings, one module a lesson: `bdlab.lessons.l03_badnets`."""
