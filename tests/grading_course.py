"""A course folder with hand-ins whose points are known, for the tests of grading."""

import json
import shutil

import nbformat
import throwaway

from autograder.authoring.folders import folder
from autograder.course import secret
from autograder.trials.invented import samples
from autograder.warden.tiers import A, B
from bdlab.exercises import lessons

HOME = folder("03")
"""The lesson that these tests grade; `test_chain` goes through all of them."""
TASKS = lessons.lesson(HOME.name).exercises


def _written(home):
    """The sample class of a lesson, released by nbgrader once a run: copies of it are what tests work on."""
    return throwaway.once(f"released-{home.name}", lambda place: samples.write(home, place))


def fresh(home, root):
    """In place of `samples.fresh`: the released lesson and nobody in it."""
    shutil.copytree(_written(home), root, ignore=shutil.ignore_patterns("submitted"), dirs_exist_ok=True)
    return root / "release" / home.name / f"{home.name}.ipynb"


def course(root, copies=1, home=HOME):
    """The sample class, `copies` times: student -> deserved points."""
    shutil.copytree(_written(home), root)
    secret.init(root)
    release = released(root, home)
    deserved = {}
    for sample in samples.samples(home):
        deserved[sample.student] = sample.deserved
        for number in range(1, copies):
            student = f"{sample.student}{number}"
            answers = {key: f"{source}\n# {student}\n" for key, source in sample.answers.items()}  # a key of its own
            again = samples.Sample(student, sample.about, sample.deserved, answers, sample.essay)
            samples.hand_in(root, home.name, student, json.dumps(samples.handed_in(release, again)))
            deserved[student] = sample.deserved
    return deserved


def released(root, home=HOME):
    """The release notebook of a course folder."""
    return nbformat.read(root / "release" / home.name / f"{home.name}.ipynb", as_version=4)


def strongest():
    """The strongest tier that this machine can put up by its tools: A needs bubblewrap."""
    return A if shutil.which("bwrap") else B
