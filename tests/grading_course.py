"""A course folder with hand-ins whose points are known, for the tests of grading."""

import json

import nbformat

from autograder.authoring.folders import folder
from autograder.course import secret
from autograder.trials.invented import samples
from autograder.warden.tiers import A, B
from bdlab.exercises import lessons

HOME = folder("03")
TASKS = lessons.lesson(HOME.name).exercises


def course(root, copies=1):
    """The sample class, `copies` times: student -> deserved points."""
    samples.write(HOME, root)
    secret.init(root)
    release = released(root)
    deserved = {}
    for sample in samples.samples(HOME):
        deserved[sample.student] = sample.deserved
        for number in range(1, copies):
            student = f"{sample.student}{number}"
            answers = {key: f"{source}\n# {student}\n" for key, source in sample.answers.items()}  # a key of its own
            again = samples.Sample(student, sample.about, sample.deserved, answers, sample.essay)
            samples.hand_in(root, HOME.name, student, json.dumps(samples.handed_in(release, again)))
            deserved[student] = sample.deserved
    return deserved


def released(root):
    """The release notebook of a course folder."""
    return nbformat.read(root / "release" / HOME.name / f"{HOME.name}.ipynb", as_version=4)


def strongest():
    """The strongest tier that this machine can put up by its tools: A needs bubblewrap."""
    import shutil

    return A if shutil.which("bwrap") else B
