"""From source to lesson: the same bytes, and nothing of the solutions."""

import ast
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
import zipfile

import nbformat
import pytest
import which

from autograder.authoring import build, editing, release
from autograder.authoring import frozen as freezing
from autograder.authoring.folders import folder
from autograder.authoring.sources import alternatives, mistakes, notebook, references
from autograder.commands import lessons as commands
from autograder.course.folder import ROOT
from autograder.course.settings import Course, course
from bdlab.exercises import frozen, lessons

pytestmark = pytest.mark.usefixtures("probe")
HOMES = [folder(one.id) for one in lessons.all_lessons()]
GRADED = [home for home in HOMES if lessons.lesson(home.name).exercises]
HOME = GRADED[0]


def _committed(home):
    return build.student_folder(home) / f"{home.name}.ipynb"


@pytest.mark.parametrize("home", which.homes(HOMES))
def test_what_is_committed_is_what_the_build_makes(home, tmp_path, monkeypatch):
    made = build.released(home)  # once more
    assert _committed(home).read_text(encoding="utf-8") == made
    monkeypatch.setattr(build, "released", lambda home, settings=None: made)
    assert build.stale(home) == []
    built = build.build(home, tmp_path)
    monkeypatch.setattr(build, "student_folder", lambda home: built)
    assert build.stale(home) == []
    (built / "notes.txt").write_text("left")
    (built / f"{home.name}.ipynb").write_text(f"{made} ", encoding="utf-8")
    assert [line.partition(": ")[2] for line in build.stale(home)] == [
        "the build does not make it", "is not what its source makes"
    ]  # fmt: skip
    (built / f"{home.name}.ipynb").unlink()
    assert [line.partition(": ")[2] for line in build.stale(home)] == ["the build does not make it", "is missing"]


def test_a_lesson_without_frozen_outcomes_is_not_built(monkeypatch):
    def nothing(exercise):
        raise KeyError(exercise)

    monkeypatch.setattr(freezing, "frozen", nothing)
    before = _committed(HOME).stat().st_mtime_ns
    wanted = f"l{HOME.name[:2]}_.*: no frozen outcomes; run `autograder build {HOME.name} --refresh`"
    with pytest.raises(ValueError, match=wanted):
        commands.build([HOME.name], check=False, refresh=False, everything=False, notebook=False, from_notebook=False)
    assert _committed(HOME).stat().st_mtime_ns == before


@pytest.mark.parametrize("home", which.homes(HOMES))
def test_the_cells_of_a_lesson(home):
    lesson, cells = lessons.lesson(home.name), nbformat.read(_committed(home), as_version=4).cells
    ids = [cell["id"] for cell in cells]
    assert len(set(ids)) == len(ids) <= 75
    marks = {cell["id"]: cell.metadata.nbgrader for cell in cells if "nbgrader" in cell.metadata}
    answers = [cell for cell in cells if cell.metadata.get("bdlab", {}).get("role") == "answer"]
    assert [cell.metadata.bdlab.exercise for cell in answers] == [task.id for task in lesson.exercises]
    for task in lesson.exercises:
        assert marks[task.id].points == task.points and marks[task.id].locked and not marks[task.id].solution
        assert marks[f"{task.id}_answer"].solution and not marks[f"{task.id}_answer"].grade
    points = sum(mark.points for mark in marks.values() if mark.grade)
    assert points == lesson.points == (20 if lesson.exercises else 0)
    for cell in answers:
        task, lines = lessons.find(cell.metadata.bdlab.exercise), cell.source.splitlines()
        stub = f"{task.name} = ..." if task.signatures[0].kind == "value" else "    raise NotImplementedError"
        assert lines[0] == f"# [{task.id}]" and lines[-1].endswith(stub)
    for cell in cells:
        lines = cell.source.splitlines()
        hidden = cell.metadata.get("jupyter", {}).get("source_hidden")  # the setup cell
        prose = " ".join(line for line in lines if line[:1] not in "|#!") if cell.cell_type == "markdown" else ""
        assert (len(lines) <= 40 or hidden) and len(prose.split()) <= 90, cell.source


@pytest.mark.parametrize("home", [home for home in GRADED if home.parents[1] == ROOT], ids=lambda home: home.name)
def test_a_lesson_has_the_shape_of_a_lesson(home):
    lesson, cells = lessons.lesson(home.name), nbformat.read(_committed(home), as_version=4).cells
    prose = " ".join(cell.source for cell in cells if cell.cell_type == "markdown")
    words = re.sub(r"<[^>]*>|[`*#|]|\]\([^)]*\)", " ", prose).split()
    code = [cell for cell in cells if cell.cell_type == "code"]
    roles = [cell.metadata["bdlab"]["role"] for cell in code]
    assert 50 <= len(cells) <= 70 and len(words) <= 2000 and roles.count("quiz") <= 6
    assert sum(task.minutes for task in lesson.exercises) >= 0.6 * lesson.minutes
    assert all(len(line) <= 79 for cell in code for line in cell.source.splitlines())
    short = [cell for cell, role in zip(code, roles, strict=True) if role not in ("setup", "answer")]
    assert all(len(cell.source.splitlines()) <= 20 for cell in short)
    assert "](attachment:opening.png)" in cells[0].source and "opening.png" in cells[0].attachments


def test_an_exercise_is_numbered_and_told_with_its_points():
    (cell,) = [c for c in build.source_notebook(folder("99")).cells if c.source.startswith("### Exercise 6: ")]
    assert cell.source.splitlines() == [
        "### Exercise 6: a choice", "", "Difficulty 3 of 5 · importance 4 of 5 · 10 minutes · 2 points", "",
        "Which pixels?", "", 'Points: how many 1, at random 1. Stuck? `bdlab.hint("l99_sparse")`',
    ]  # fmt: skip


def test_links_lead_to_the_lessons_that_are_there():
    first, last = (build.source_notebook(folder(name)).cells[-1].source for name in ("97", "99"))
    assert first == "Next: [99 One of each](../99_probe/99_probe.ipynb) · [all lessons](../README.md)"
    assert last == "Before: [97 Nothing to hand in](../97_open/97_open.ipynb) · [all lessons](../README.md)"


def _statements(source):
    """Normalised bodies of three statements or more: what must not be found elsewhere."""
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            code = [part for part in body if not (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant))]
            if len(code) >= 3:
                yield ast.dump(ast.Module(code, []))


def _secrets():
    """(canaries, bodies) of everything under solutions/."""
    canaries, bodies = set(), set()
    for home in GRADED:
        canaries |= {build.canary(task) for task in lessons.lesson(home.name).exercises}
        for answer in (*references(home).values(), *alternatives(home), *mistakes(home)):
            bodies |= set(_statements(answer.source))
    return canaries, bodies


def test_every_solution_holds_a_canary_of_its_own():
    tasks = [task for home in GRADED for task in lessons.lesson(home.name).exercises]
    assert len({build.canary(task) for task in tasks}) == len(tasks)
    for home in GRADED:
        cells = {cell["id"]: cell.source for cell in build.source_notebook(home).cells}
        for task in lessons.lesson(home.name).exercises:
            source = cells[f"{task.id}_answer"]
            assert source.count(build.canary(task)) == source.count("### BEGIN SOLUTION") >= 1


def test_nothing_of_the_solutions_is_in_what_students_get(tmp_path):
    canaries, bodies = _secrets()
    assert canaries and len(bodies) > 10
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", tmp_path, ROOT], check=True,
        capture_output=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("bdlab-*.whl")
    packed = zipfile.ZipFile(wheel)
    texts = {name: packed.read(name) for name in packed.namelist()}
    for place in (ROOT / "lessons", ROOT / "docs", *{build.student_folder(home).parent for home in HOMES}):
        texts |= {str(path): path.read_bytes() for path in place.rglob("*") if path.is_file()}
    for home in GRADED:
        assert str(_committed(home)) in texts
        own = frozen.place(lessons.lesson(home.name)).name
        assert home.parents[1] != ROOT or f"bdlab/exercises/frozen/{own}" in texts
    for name, content in texts.items():
        assert not any(canary.encode() in content for canary in canaries), name
        assert b"END SOLUTION" not in content or name.startswith(("autograder/", str(ROOT / "docs" / "teach"))), name
        if name.endswith(".py"):
            assert not bodies & set(_statements(content)), name
        if name.endswith(".ipynb"):
            for cell in json.loads(content)["cells"]:
                if cell["cell_type"] == "code":
                    assert not bodies & set(_statements("".join(cell["source"]))), name


def test_the_students_edition_has_no_solutions(tmp_path, monkeypatch):
    monkeypatch.setattr(release, "stale", lambda home: [])  # what is committed is another test's
    edition = release.publish(tmp_path / "students")
    names = {str(path.relative_to(edition)) for path in edition.rglob("*")}
    for home in HOMES:
        assert home.parents[1] != ROOT or f"lessons/{home.name}/{home.name}.ipynb" in names
    assert f"bdlab/exercises/frozen/{frozen.place(lessons.lesson(HOME.name)).name}" in names
    assert not any(name.split("/")[0] in ("solutions", "autograder", "private", "tests") for name in names)
    assert "docs/grading.md" in names and not any("teach" in name or "day_" in name for name in names)
    with pytest.raises(ValueError, match="target must be a new or an empty folder"):
        release.publish(edition)


@pytest.mark.filterwarnings("ignore:Object of type")  # nbgrader and its SQLAlchemy
@pytest.mark.parametrize("home", GRADED[:1], ids=lambda home: home.name)
def test_a_release_is_refused_once_graded_cells_changed_under_hand_ins(home, tmp_path, monkeypatch):
    from nbgrader.api import Gradebook

    root, changed_task = tmp_path / "private", lessons.lesson(home.name).exercises[1].id
    monkeypatch.setattr(release, "stale", lambda home: [])
    target = release.release(home, root=root)
    assert build.student_text(target) == _committed(home).read_text(encoding="utf-8")
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    changed = build.source_notebook(home)
    next(cell for cell in changed.cells if cell["id"] == changed_task).metadata.nbgrader.points = 7
    monkeypatch.setattr(release, "source_notebook", lambda home: changed)
    monkeypatch.setattr(release, "nbgrader", lambda *_: pytest.fail("nothing may be generated"))
    with Gradebook(f"sqlite:///{root / 'gradebook.db'}") as gradebook:
        gradebook.update_or_create_student("ada")
        gradebook.add_submission(home.name, "ada")
    with pytest.raises(ValueError, match=rf"1 hand-ins .* \({changed_task}\); release it .* --as {home.name}_v2"):
        release.release(home, root=root)
    assert target.exists()


def test_a_stale_lesson_and_one_without_exercises_are_not_released(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="97_open has no exercises: there is nothing to grade, and students take it from"):
        release.release(folder("97"), root=tmp_path / "private")
    monkeypatch.setattr(release, "stale", lambda home: ["x.ipynb: is missing"])
    for refused in (lambda: release.release(HOME, root=tmp_path / "private"), lambda: release.publish(tmp_path / "new")):
        with pytest.raises(ValueError, match="is missing; run `autograder build` first"):
            refused()
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_lesson_runs_alone_with_a_wheel_beside_it(tmp_path):
    """As on a machine that has torch and Jupyter and has never seen bdlab: no network, no checkout."""
    room, alone = tmp_path / "room", tmp_path / "alone"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", room], check=True)
    packages = next(room.glob("lib/python*/site-packages"))
    (packages / "host.pth").write_text(sysconfig.get_path("purelib"))
    alone.mkdir()
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", alone, ROOT], check=True,
        capture_output=True,
    )  # fmt: skip
    shutil.copy(ROOT / "lessons" / HOME.name / f"{HOME.name}.ipynb", alone / "lesson.ipynb")
    program = (
        "import nbformat; from nbclient import NotebookClient; book = nbformat.read('lesson.ipynb', 4);"
        "book.cells.append(nbformat.v4.new_code_cell('print(bdlab.__file__)'));"
        "NotebookClient(book, kernel_name='python3', timeout=120).execute(); print(book.cells[-1].outputs[0].text)"
    )
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "JUPYTER"))}
    own = {"PIP_NO_INDEX": "1", "JUPYTER_DATA_DIR": str(room / "share"), "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    python = room / "bin" / "python"
    subprocess.run([python, "-m", "ipykernel", "install", "--prefix", tmp_path / "k"], check=True, capture_output=True)
    own["JUPYTER_PATH"] = str(tmp_path / "k" / "share" / "jupyter")
    done = subprocess.run([python, "-c", program], cwd=alone, env={**clean, **own}, capture_output=True, text=True)
    assert str(packages) in done.stdout, done.stderr[-3000:]


def test_badge_and_setup_cell_come_from_course_toml(tmp_path):
    plain = build.source_notebook(HOME, Course())
    assert "colab" not in json.dumps(plain).lower()
    full = build.source_notebook(
        HOME, Course("owner/course", "v1", "https://example.org/bdlab-0.1.0-py3-none-any.whl", "a" * 64, "autumn")
    )
    assert (
        f"colab.research.google.com/github/owner/course/blob/v1/lessons/{HOME.name}/{HOME.name}.ipynb"
        in full.cells[0].source
    )
    assert not any("](../" in cell.source for cell in full.cells if cell.cell_type == "markdown")
    assert full.cells[-1].source.endswith("[all lessons](https://github.com/owner/course/blob/v1/lessons/README.md)")
    setup = next(cell.source for cell in full.cells if cell["id"] == "setup")
    assert f'WHEEL, SHA256 = "https://example.org/bdlab-0.1.0-py3-none-any.whl", "{"a" * 64}"' in setup
    assert 'TERM = "autumn"' in setup
    ast.parse(setup)
    bad = (ROOT / "course.toml").read_text().replace('url = ""', 'url = "https://example.org/x.whl"')
    (tmp_path / "course.toml").write_text(bad)
    with pytest.raises(ValueError, match=r"sha256 in course\.toml must be 64 hex digits"):
        course(tmp_path / "course.toml")


@pytest.fixture
def copied(tmp_path):
    """A copy of the lesson's folder that a test may change."""
    home, source = tmp_path / "99_probe", folder("99") / "99_probe.py"
    home.mkdir()
    shutil.copy(source, home)
    return home


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('role="quiz"', 'role="quizz"', "role of cell .* must be one of setup, demo, .*, got 'quizz'"),
        ('exercise="entropy"', 'exercise="entropie"', "exercise of cell .* must be one of entropy, .*, got 'entropie'"),
        ("### BEGIN SOLUTION", "### BEGIN", "must have its solution between"),
        ("SOLUTION\nthreat_table =", "SOLUTION\ndef threat_table(): return", "at the top level must assign a value"),
        ("SOLUTION\nthreat_table = {", "SOLUTION\nthreat_table = {{", "at the top level must assign a value"),
        ("    ### END SOL", "\n\ndef hidden():\n    return\n    ### END SOL", "hidden begins inside a solution"),
        ('"use"\n# Use', '"use"\n# Example', "a demo cell, and no other, begins with '# Demo', a use cell with '# Use'"),
        ('bdlab.quiz("l99_q1")', 'bdlab.quiz("l99_q9")', "question must be one of .*l99_q1; got 'l99_q9'"),
        ('bdlab.quiz("l99_q1")', "bdlab.quiz", "a quiz is one line"),
        ('# %% [markdown] role="essay"\n', "# %% [markdown]\n", "must have 1 essay cells, got 0"),
        ("bdlab.mine(", f"bdlab.mine({'x' * 60}", "a line of code must have at most 79 characters"),
    ],
)
def test_a_wrong_source_is_refused(old, new, message, copied):
    path = copied / f"{copied.name}.py"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        build.source_notebook(copied)


def test_editing_as_a_notebook_and_back(copied):
    path = copied / f"{copied.name}.py"
    before = notebook(copied)
    edited = editing.write(copied)
    with pytest.raises(ValueError, match="exists already"):
        editing.write(copied)
    book = nbformat.read(edited, as_version=4)
    book.cells[0].source += "\n\nOne more line."
    nbformat.write(book, edited)
    assert editing.take_back(copied) == path and not edited.exists()
    after = notebook(copied)
    assert after.cells[0].source == before.cells[0].source + "\n\nOne more line."
    assert [(c.source, dict(c.metadata)) for c in after.cells[1:]] == [
        (c.source, dict(c.metadata)) for c in before.cells[1:]
    ]
    editing.write(copied)
    path.write_text(path.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"changed since .* nothing was taken back"):
        editing.take_back(copied)


def test_an_unknown_lesson_is_named():
    with pytest.raises(ValueError, match=rf"lesson must be one of .*{HOME.name}.*; got '96'"):
        folder("96")
