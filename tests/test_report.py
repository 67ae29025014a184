"""The report on a class: its figures, its flags, and that a hostile or nosy reader gets nothing out of the page."""

import dataclasses
import itertools
import json
import random
import re
import sqlite3
import statistics
import time
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
import report_course as drawing
import typer
from report_course import HOME, RELEASE, TASKS, lost, record, right, wrong
from rewriting import rewrite
from typer.testing import CliRunner

from autograder.commands.report import report as command
from autograder.handin import shape
from autograder.reports import charts, hand_ins, people, report_page, similar
from autograder.reports import report as reports
from autograder.reports.people import Person
from autograder.trials.invented import sample_class, samples
from autograder.verdict.grade import ENDED, unwritten

FIRST, SECOND, THIRD, FOURTH = "l03_stamp", "l03_poison", "l03_all_to_all", "l03_scores"
STUBS = {cell["metadata"]["bdlab"]["exercise"]: "".join(cell["source"]) for cell in RELEASE["cells"]
         if cell["metadata"].get("bdlab", {}).get("role") == "answer"}  # fmt: skip
PLANTED = {(FIRST, "in_place"), (SECOND, "truncates"), (FOURTH, "percent")}
MUTANT = next(answer for answer in drawing.MUTANTS if answer.exercise == FIRST)
OWN = {
    FIRST: """def stamp(x, pattern, mask, pos):
    r, c = pos
    if r < 0 or c < 0:
        raise ValueError("negative")
    if r + mask.shape[0] > x.shape[2] or c + mask.shape[1] > x.shape[3]:
        raise ValueError("too far")
    y = x.clone().reshape(-1, x.shape[2], x.shape[3])
    for n, image in enumerate(y):
        for k in torch.nonzero(mask):
            image[r + k[0], c + k[1]] = pattern[n % x.shape[1], k[0], k[1]]
    return y.reshape(x.shape)
""",
    SECOND: """def poison(x, y, trigger, target, rate, generator):
    allowed = [k for k, label in enumerate(y.tolist()) if label != target]
    keys = torch.rand(len(allowed), generator=generator).tolist()
    ranked = [k for _, k in sorted(zip(keys, allowed))]
    idx = torch.tensor(ranked[:round(rate * len(y))], dtype=torch.int64)
    new_x, new_y = torch.clone(x), torch.clone(y)
    for k in idx.tolist():
        new_x[k:k + 1] = trigger(x[k:k + 1])
        new_y[k] = target
    return new_x, new_y, idx
""",
}
"""Right answers in a style that nobody else has."""


def _made(root, anonymous=False, known=()):
    found = hand_ins.hand_ins(root, HOME.name, HOME.name)
    named = people.people([*found.known, *known], b"s" * 32, anonymous, people.words(HOME))
    return reports.report(found, named)


def _class(root, cells, sources=(), **about):
    """A class of a, b, c ...: the cells, sources and other fields of each."""
    made = [(record(f"student{chr(97 + n)}", own, **about), dict(sources)) for n, own in enumerate(cells)]
    drawing.write(root, made)
    return _made(root)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """300 students, three misconceptions planted, one pair with two rare answers; and the report on them."""
    root = tmp_path_factory.mktemp("report") / "course"
    made = list(drawing.drawn([f"stu{n:04d}" for n in range(300)], 7, PLANTED))
    for place, sources in ((20, OWN), (150, {name: rewrite(source) for name, source in OWN.items()})):
        made[place] = (made[place][0], {**made[place][1], **sources})
    drawing.write(root, made)
    start = time.process_time()
    found = _made(root)
    text = report_page.page(found)
    return SimpleNamespace(hand_ins=made, report=found, page=text, seconds=time.process_time() - start)


def test_figures_of_a_small_class(tmp_path):
    cells = [{name: right(name) for name in TASKS}, {FIRST: wrong(MUTANT), SECOND: right(SECOND)},
             {FIRST: lost(FIRST), SECOND: lost(SECOND, ENDED)}, {}]  # fmt: skip
    made = _class(tmp_path, cells)
    assert list(made.points) == [15, 8, 0, 0] and made.maximum == 15 and made.read == 4
    first, second, third = (next(i for i in made.items if i.exercise == name) for name in (FIRST, SECOND, THIRD))
    assert first.share == (4 + 3) / 16 and second.share == 0.5 and third.share == 0.25
    assert first.discrimination == pytest.approx(statistics.correlation([4, 3, 0, 0], [11, 5, 0, 0]))
    expected = {"right": 1, "in part": 1, "wrong": 0, "blank": 1, "raised an error": 1, "ended its process": 0}
    assert first.outcomes == expected and second.outcomes["ended its process"] == 1 and third.outcomes["blank"] == 3
    assert {(group.what, group.why, *group.students) for group in made.crashed} == {
        (FIRST, "raised an error", "studentc"), (SECOND, "ended its process", "studentc")
    }  # fmt: skip
    (mistake,) = made.mistakes
    assert (mistake.name, mistake.count, mistake.written) == (MUTANT.name, 1, 3) and made.unknown == 0


def test_discrimination_needs_variance(tmp_path):
    made = _class(tmp_path, [{FIRST: right(FIRST), SECOND: right(SECOND) if n else lost(SECOND)} for n in range(4)])
    assert [item.discrimination for item in made.items] == [None] * 4
    assert report_page.page(made).count("not defined</td>") == 4


def test_wilson_is_what_its_paper_gives():
    assert reports.wilson(0.5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert reports.wilson(0.0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert reports.wilson(1.0, 8) == pytest.approx((0.6756, 1.0), abs=1e-4)


def test_the_planted_misconceptions_are_on_top_with_an_answer_of_their_form(large):
    made = large.report
    assert {(mistake.exercise, mistake.name) for mistake in made.mistakes[:3]} == PLANTED
    counts = {}
    for verdict, _ in large.hand_ins:
        for name, cell in verdict.cells.items():
            for mistake in cell.mistakes:
                counts[name, mistake] = counts.get((name, mistake), 0) + 1
    for mistake in made.mistakes:
        assert mistake.count == counts[mistake.exercise, mistake.name]
        mutant = next(m for m in drawing.MUTANTS if (m.exercise, m.name) == (mistake.exercise, mistake.name))
        assert similar.labels(mistake.sample) == similar.labels(mutant.source) and "#" not in mistake.sample
        assert mistake.told == TASKS[mistake.exercise].messages[mistake.name]


def test_a_sample_is_the_shortest_of_the_most_frequent_form():
    common = ["def f(a):\n    '''My name.'''\n    return a + 1  # mine", "def f(b):\n    return b + 1"]
    assert reports.typical(["def f(a): 1", *common, ""]) == common[1] and reports.typical([""]) == ""


def test_the_planted_pair_is_found_and_nobody_else(large):
    (pair,) = large.report.likeness
    assert (pair.first, pair.second) == ("stu0020", "stu0150") and set(pair.shared) == {FIRST, SECOND}
    assert all(near == 2 for near, _ in pair.shared.values()) and pair.codes[0] != pair.codes[1]


@pytest.mark.parametrize("copies", [1, 5])
def test_the_sample_class_is_not_flagged_but_a_rare_pair_in_it_is(copies):
    answers = {f"{one.student}{n}": one.answers for one in samples.samples(HOME) for n in range(copies)}
    assert similar.pairs(answers, STUBS) == []
    answers |= {"zeno": {**answers["ada0"], **OWN}, "zoe": {name: rewrite(source) for name, source in OWN.items()}}
    assert [(pair.first, pair.second) for pair in similar.pairs(answers, STUBS)] == [("zeno", "zoe")]


@pytest.mark.parametrize("seed", [0, 1])
def test_the_copies_of_a_drawn_class_are_found_and_nobody_else(seed):
    made = sample_class.draw(HOME, 100, seed).hand_ins
    copies = {tuple(sorted((one.student, one.copied))) for one in made if one.copied}
    found = similar.pairs({one.student: one.answers for one in made if one.mishap != "truncated"}, STUBS)
    assert {(pair.first, pair.second) for pair in found} == copies != set()


def test_what_is_compared():
    plain = "def f(x, y):\n    z = x.clone()\n    z[y] = 3\n    return z"
    other = 'def g(a: int, b) -> str:\n    """Text."""\n    q = a.clone()  # a copy\n    q[b] = 3\n    return q'
    assert similar.labels(plain) == similar.labels(other) != similar.labels(plain.replace("3", "4"))
    assert similar.labels(plain) != similar.labels(plain.replace("clone", "detach"))
    for broken in ("def f(:", "\0", "(" * 5000, "x = " + "9" * 5000):
        assert similar.labels(broken) == ()


def _program(chance, depth=0):
    """A function of nobody's: some statements, drawn."""
    forms = ("x + {}", "torch.where(x > {}, x, {})", "x.clamp({}, {})", "[i * {} for i in range({})]", "max(x, {})",
             "x @ {}", "sum({})", "x.mul({})", "(lambda z: z - {})({})", "torch.stack([x, {}])")  # fmt: skip

    def value(depth):
        form = chance.choice(forms)
        inner = [
            value(depth + 1) if depth < 2 and chance.random() < 0.5 else chance.randrange(5)
            for _ in range(form.count("{}"))
        ]
        return form.format(*inner)

    lines = [f"    for b in {value(0)}:\n        a{n} = {value(0)}\n" for n in range(8)]
    return f"def f(x):\n{''.join(lines)}    return x\n"


@pytest.mark.parametrize("forms", [12, 100])
def test_rate_of_false_flags(forms):
    """Classes of 100 who worked alone: in each of three exercises they draw from `forms` answers, some more common.

    About one pair a class is promised.  Measured over seeds 0-19: 0.2 with 12 forms, 0.05 with 100, never more than 1; a
    rewritten copy was found in 1 and in 20 of 20: where there are few forms, a copy cannot be told.
    """
    stubs, false = dict.fromkeys("abc", "def f(x): pass"), 0
    for seed in range(3):
        chance = random.Random(seed)
        pools = {name: [_program(chance) for _ in range(forms)] for name in stubs}
        weights = [1 / (1 + n) ** 0.5 for n in range(forms)]
        answers = {f"s{n:03d}": {e: chance.choices(pool, weights)[0] for e, pool in pools.items()} for n in range(100)}
        copy = {name: rewrite(source) for name, source in answers["s003"].items()}
        found = {(pair.first, pair.second) for pair in similar.pairs({**answers, "copy": copy}, stubs)}
        assert forms == 12 or ("copy", "s003") in found
        false += sum("copy" not in pair for pair in found)
    assert false <= 3


NAMES = (Person("mkramer7", ("Mirabel", "Kramer-Osei", "mirabel.kramer@uni.example")), Person("k.larsson@uni.example"))
TELLING = f"""# by Mirabel Kramer-Osei
def stamp(x, pattern, mask, pos):
    \"\"\"mkramer7's own.\"\"\"
    mirabel_marked, KRAMER, stampMirabel = x, "Osei <mirabel.kramer@uni.example>", "larsson"
    window = mirabel_marked[:, :, pos[0] : pos[0] + mask.shape[0], pos[1] : pos[1] + mask.shape[1]]
    window[:, :, mask] = pattern[:, mask]
    raise ValueError(f"mkramer7 {{stampMirabel}} at {{pos}}")
    {"return mirabel_marked"}
"""


def test_an_anonymous_page_holds_no_name(tmp_path):
    ids = [person.id for person in NAMES] + [f"extra{n}" for n in range(4)]
    doubt = dataclasses.replace(wrong(MUTANT), doubts=("needs a human: uses mirabel.kramer",))
    made = [
        (record(name, {FIRST: doubt}, remarks=("Mirabel_HW (Kramer).ipynb was renamed",)), {FIRST: TELLING, **pair})
        for name, pair in zip(ids, [{SECOND: OWN[SECOND]}] * 2 + [{}] * 4, strict=True)
    ]
    told = "Arthur Zaphod (2).ipynb must be a notebook (.ipynb); ask k.larsson@uni.example, expected 03_badnets.ipynb"
    made[-1] = (record("extra3", {}, refused=told), {})
    drawing.write(tmp_path, made)
    named, hidden = (report_page.page(_made(tmp_path, anonymous, NAMES)) for anonymous in (False, True))
    telling = ("mkramer7", "mirabel", "kramer", "osei", "larsson", "uni.example", "zaphod", *ids)
    assert all(word in named.lower() for word in telling if word != "larsson")
    assert [word for word in telling if word in hidden.lower()] == []
    alone = shape.bare(TELLING)
    assert "mirabel_marked" in alone and "own." not in alone and "#" not in alone
    assert "the file must be a notebook (.ipynb); ask …, expected 03_badnets.ipynb" in hidden
    assert "student 001" in hidden and "name1" in hidden and "window" in hidden


def test_pseudonyms_stay_and_tell_nothing_without_the_secret():
    ids = [Person(f"s{n:02d}") for n in range(50)]
    one, again, other = (people.people(group, key, True).shown for group, key in
                         ((ids, b"a" * 32), (reversed(ids), b"a" * 32), (ids, b"b" * 32)))  # fmt: skip
    assert one == again != other and sorted(one.values()) == [f"student {n:03d}" for n in range(1, 51)]
    assert [one[person.id] for person in ids] != sorted(one.values())


MARKUP = (
    "</code></pre><script>ran()</script><img src=x onerror=ran()><svg onload=ran()></svg><a href='javascript:ran()'>x</a>"
    "<style>*{color:red}</style><iframe srcdoc='x'></iframe>{{ 7*7 }}\N{RIGHT-TO-LEFT OVERRIDE}\x1b[2J"
)
TAGS = {
    "html", "head", "meta", "title", "style", "body", "header", "h1", "h2", "h3", "p", "strong", "code", "nav", "ul", "li",
    "a", "main", "section", "dl", "dt", "dd", "figure", "figcaption", "svg", "desc", "g", "path", "text", "defs", "rect",
    "use", "clippath", "div",
    "table", "caption", "thead", "tbody", "tr", "th", "td", "pre", "details", "summary",
}  # fmt: skip


class _Page(HTMLParser):
    """Every tag with its attributes, and the text that is shown."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.shown = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.shown.append(data)

    def all(self, tag):
        return [attributes for found, attributes in self.tags if found == tag]


def _hostile(root):
    source = f"{MUTANT.source}\n# {MARKUP}\nnote = {MARKUP!r}\n"
    pair = {name: f"{answer}\nnote = {MARKUP!r}  # {MARKUP}\n" for name, answer in OWN.items()}
    cells = {FIRST: dataclasses.replace(wrong(MUTANT), doubts=(MARKUP,)), SECOND: right(SECOND)}
    made = [(record(f"s{n}", cells, remarks=(MARKUP,)), {FIRST: source} if n > 1 else pair) for n in range(6)]
    made.append((record("s9", {}, refused=MARKUP), {}))
    made += drawing.drawn([f"t{n}" for n in range(20)], 3)
    drawing.write(root, made)
    (root / "submitted" / "<script>ran()<" / HOME.name).mkdir(parents=True)
    return [Person("s0", (MARKUP,)), Person("s9", ("<b>", MARKUP))]


@pytest.mark.parametrize("anonymous", [False, True])
def test_a_hostile_class_puts_nothing_into_the_page(anonymous, tmp_path):
    known = _hostile(tmp_path)
    text = report_page.page(_made(tmp_path, anonymous, known))
    page = _Page(text)
    assert {tag for tag, _ in page.tags} <= TAGS and len(page.all("style")) == 1
    for _, attributes in page.tags:
        assert not [
            name for name in attributes if name.startswith("on") or name in ("style", "src", "srcdoc", "xlink:href")
        ]
        assert attributes.get("href", "#").startswith("#")
    (policy,) = [each["content"] for each in page.all("meta") if each.get("http-equiv") == "Content-Security-Policy"]
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[\w+/=]{44}'; base-uri 'none'; form-action 'none'", policy
    )
    assert (
        "\N{RIGHT-TO-LEFT OVERRIDE}" not in text and "\x1b" not in text and "http" not in text.replace("http-equiv", "")
    )
    assert anonymous or "".join(page.shown).count("<script>ran()</script>") >= 5  # shown as what it is


def test_a_page_that_everybody_can_read(large):
    page = _Page(large.page)
    assert (
        page.all("html") == [{"lang": "en"}]
        and page.all("meta")[-1]["content"] == "width=device-width, initial-scale=1"
    )
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert all(cell["scope"] in ("row", "col") for cell in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table")) >= 4
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids)) and all(link["href"][1:] in ids for link in page.all("a"))
    charts = page.all("svg")
    assert len(charts) == 3 and all(
        chart["role"] == "img" and set(chart["aria-labelledby"].split()) <= set(ids) for chart in charts
    )
    for words in (
        "automatic points, of 15 (n = 300)",
        "share of the points that were earned (n = 300)",
        "hand-ins (n = 300)",
    ):
        assert words in page.shown


def test_the_histogram_counts_everyone(large):
    paths = [path["d"].split() for path in _Page(large.page).all("path") if path.get("fill") == charts.BLUE.lower()][:16]
    counts = [float(corners[2]) - float(corners[8]) for corners in paths]  # M x y L x y L x y ...
    expected = np.bincount(np.array(large.report.points, int), minlength=16)
    assert np.array(counts) / max(counts) == pytest.approx(expected / expected.max(), abs=1e-3)


def test_what_waits_is_what_the_gradebook_says(tmp_path):
    from nbgrader.api import Gradebook

    doubt = dataclasses.replace(right(FIRST), doubts=("needs a human: uses gc",))
    drawing.write(tmp_path, [(record("ada", {FIRST: doubt}), {}), (record("bela", {}, refused="no notebook"), {})])
    assert [(g.what, g.why, g.students) for g in _made(tmp_path).waiting] == [
        (FIRST, "needs a human: uses gc", ["ada"])
    ]
    assert "essays are missing" in report_page.page(_made(tmp_path))
    with sqlite3.connect(tmp_path / "gradebook.db") as empty:
        empty.execute("CREATE TABLE begun (x)")  # in a file without tables nbgrader would start alembic
    with Gradebook(f"sqlite:///{tmp_path / 'gradebook.db'}") as book:
        book.add_assignment(HOME.name)
        book.add_notebook(HOME.name, HOME.name)
        for cell in (FIRST, "l03_essay"):
            book.add_grade_cell(cell, HOME.name, HOME.name, max_score=5, cell_type="code")
        for student in ("ada", "bela", "gone"):
            book.add_student(student, last_name="Lovelace" if student == "ada" else None)
            book.add_submission(HOME.name, student)
        book.find_grade("l03_essay", HOME.name, HOME.name, "bela").needs_manual_grade = False
        book.db.commit()
    before = (tmp_path / "gradebook.db").read_bytes()
    made = _made(tmp_path)
    assert (tmp_path / "gradebook.db").read_bytes() == before
    assert {(group.what, group.why, *group.students) for group in made.waiting} == {
        (FIRST, "needs a human: uses gc", "ada (Lovelace)"), ("the whole hand-in", "could not be read: no notebook", "bela"),
        ("l03_essay", "an answer in words", "ada (Lovelace)"),
    }  # fmt: skip
    assert [(group.why, *group.students) for group in made.refused] == [("no notebook", "bela")] and made.read == 1


def test_what_the_page_says_of_the_run(tmp_path):
    made = [
        (record("ada", {}, remarks=("mended",), tier="B", seconds=9.5), {}),
        (record("bela", {}, remarks=("mended",)), {}),
    ]
    drawing.write(tmp_path, made)
    (tmp_path / "submitted" / "late" / HOME.name).mkdir(parents=True)
    found = _made(tmp_path)
    assert (
        found.tiers == {"A": 1, "B": 1} and list(found.secrets) == ["0123456789ab"] and list(found.missing) == ["late"]
    )
    assert [(group.why, *group.students) for group in found.remarks] == [("mended", "ada", "bela")]
    assert found.slow[0] == ("ada", 9.5)
    text = report_page.page(found)
    assert "tier A: 1 hand-ins, tier B: 1 hand-ins" in text and "fingerprint 0123456789ab" in text
    assert "2026-01-02T10:00:00+00:00" in text and found.made in text


def _run(*arguments):
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(command)
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_the_command_writes_for_the_owner_and_at_one_stroke(tmp_path, monkeypatch):
    root = tmp_path / "course"
    drawing.write(root, list(drawing.drawn(["ada", "bela", "carl"], 1)))
    done = _run("03", "--course", root)
    page = root / "reports" / f"{HOME.name}.html"
    assert done.exit_code == 0 and f"Wrote {page}" in done.stdout and "3 hand-ins" in done.stdout
    assert page.stat().st_mode & 0o777 == 0o600 and page.parent.stat().st_mode & 0o777 == 0o700
    outside = tmp_path / "outside.html"
    refused = _run("03", "--course", root, "--out", outside)
    assert isinstance(refused.exception, ValueError) and "since the page names students" in str(refused.exception)
    assert not outside.exists()
    outside.symlink_to(tmp_path / "else")
    assert _run("03", "--course", root, "--out", outside.parent / "outside.html", "--anonymous").exit_code == 0
    assert "ada" not in (tmp_path / "else").read_text(encoding="utf-8")
    before = page.read_bytes()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    assert _run("03", "--course", root).exit_code and page.read_bytes() == before
    assert [path.name for path in page.parent.iterdir()] == [page.name]


def test_nothing_to_report_is_told(tmp_path):
    for made, told in ((False, "is not released in"), (True, "nothing of 03_badnets was graded")):
        if made:
            (tmp_path / "release" / HOME.name).mkdir(parents=True)
            (tmp_path / "release" / HOME.name / f"{HOME.name}.ipynb").write_text(json.dumps(RELEASE))
        with pytest.raises(ValueError, match=told):
            hand_ins.hand_ins(tmp_path, HOME.name, HOME.name)
    assert not (tmp_path / "journal").exists()
    drawing.write(tmp_path / "other", [(record("ada", {name: unwritten(task) for name, task in TASKS.items()}), {})])
    (tmp_path / "other" / "submitted" / "ada").rename(tmp_path / "gone")
    with pytest.raises(ValueError, match="nothing that lies in"):
        hand_ins.hand_ins(tmp_path / "other", HOME.name, HOME.name)


def test_300_students_in_five_seconds(large):
    assert large.seconds <= 5 and len(large.report.points) == 300
