"""A lesson without exercises, as lesson 00 is: it is built and published, and there is nothing to grade."""

from bdlab.exercises.specification import Lesson

LESSON = Lesson("97_open", "Nothing to hand in", 15, essay=0.0)
