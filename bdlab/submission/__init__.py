"""How a check reaches a student's code: through a `Submission`, which sends requests and gets plain values back."""

from bdlab.submission.executor import Executor
from bdlab.submission.fixtures import FIXTURES
from bdlab.submission.frames import Ref
from bdlab.submission.piped import Piped
from bdlab.submission.remote import Line, Remote
from bdlab.submission.submission import Local, Raised, Submission

__all__ = ["FIXTURES", "Executor", "Line", "Local", "Piped", "Raised", "Ref", "Remote", "Submission"]
