"""nbgrader's settings for this course: everything that is about students lies in private/, which git ignores."""

from pathlib import Path

from nbgrader.converters import GenerateAssignment
from nbgrader.preprocessors import ClearSolutions

from autograder.authoring.stubs import Stubs

c = get_config()  # type: ignore[name-defined]  # noqa: F821

c.CourseDirectory.root = str(Path(__file__).resolve().parent / "private")
c.CourseDirectory.course_id = "bdlab"
c.CourseDirectory.source_directory = "source"  # solutions/ rendered as notebooks; `autograder release` writes it

c.ClearSolutions.code_stub = {"python": "raise NotImplementedError"}
c.ClearSolutions.text_stub = "*Write your answer here.*"
steps = GenerateAssignment.preprocessors.default_args[0]
c.GenerateAssignment.preprocessors = [Stubs if step is ClearSolutions else step for step in steps]  # `table = ...`
c.ExecutePreprocessor.timeout = 120
c.OverwriteCells.add_missing_cells = True  # a deleted check comes back and is graded

# Grading is ours: no kernel runs what students wrote, and none of their files but the notebook is looked at.
c.Autograde.exporter_class = "autograder.gradebook.button.Release"
c.Autograde.autograde_preprocessors = [
    "autograder.gradebook.button.SafeExecute",
    "nbgrader.preprocessors.SaveAutoGrades",
    "autograder.gradebook.button.FlagDoubts",
    "nbgrader.preprocessors.AssignLatePenalties",
    "nbgrader.preprocessors.CheckCellMetadata",
]
css = "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor"
c.GenerateFeedback.preprocessors = ["autograder.gradebook.feedback.Marks", css]
c.GenerateFeedback.exporter_class = "autograder.gradebook.feedback.FeedbackPage"
