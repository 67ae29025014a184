"""What a student wrote does nothing where it is shown, and looks as it was written."""

import re
from html.parser import HTMLParser

import bs4
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from nbconvert.filters import markdown2html_mistune
from nbformat.v4 import new_markdown_cell

from autograder.handin import sanitize

TAGS = {
    "a", "blockquote", "br", "code", "dd", "del", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr",
    "input", "li", "ol", "p", "pre", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
"""What Markdown itself makes; none of it acts by itself."""
ATTRIBUTES = {
    "href": r"https?://[^\"]*|#(?![\w-]+\Z)[^\"]*",
    "id": r"(?![\w-]+\Z)[^\"]*",  # none that a field of formgrader could have
    "class": r"[\w -]*|language-.*",
    "title": r".*",
    "type": r"checkbox",
    "disabled": r"(disabled)?",
    "checked": r"(checked)?",
    "start": r"\d+",
    "style": r"text-align:\w+",
}
BAIT = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg/onload=alert(1)>", "</div>", "<!--", "-->",
    "<?x", "<![CDATA[", "<", ">", "<<", "<a href=", "javascript:", "JaVaScRiPt&colon;", "&#106;", "&lt;", "&lt",
    "&bsol;", "&", "[x](", "[x]", "](", "]:", " ", ")", "(", "![", "!", "[", "]", "data:text/html,", "vbscript:",
    "file:///etc", "//evil.example", "https://a.example/x", "http://a.example", "attachment:x", "\\", "\\\\", "$",
    "$$", "`", "```", "```mermaid", "~~~", "\n", "\n\n", "# ", "#", "===", "---", "- ", "> ", "1. ", "|",
    "| a |\n| - |\n", "*", "_", "~~", "\t", "    ", '"', "'", "\0", "\x0b", "\u200b", "\u202e", "\ufeff", "\x85",
    "\u2028", "href", "\\href{", "\\require{", "\\begin{a}", "\\end{a}", "{", "}", "x", "l03_essay",
    "[x]: https://a.example\n", "[x]: javascript:alert(1)\n", "<https://a.example>", "<javascript:alert(1)>",
    "- [x] ", "+", "=",
]  # fmt: skip
COMMAND = re.compile(rf"\\(?:{'|'.join(sanitize.COMMANDS)})(?![A-Za-z])")


class Tags(HTMLParser):
    """What a parser of HTML finds, and what of it is not Markdown's own."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.found, self.text = [], []

    def handle_starttag(self, tag, attributes):
        wrong = [(k, v) for k, v in attributes if not re.fullmatch(ATTRIBUTES.get(k, "(?!)"), v or "", re.DOTALL)]
        self.found += [tag] if tag not in TAGS else wrong

    def handle_data(self, data):
        self.text.append(data)

    def handle_comment(self, data):
        self.found.append(("comment", data))

    handle_decl = handle_pi = unknown_decl = handle_comment


def _active(html):
    parser = Tags()
    parser.feed(html)
    parser.close()
    return parser.found + COMMAND.findall("".join(parser.text))


def _shown(source):
    return bs4.BeautifulSoup(markdown2html_mistune(source), "html.parser")


HARMFUL = {
    "script": "<script>alert(1)</script>",
    "handler": "<img src=x onerror=alert(1)>",
    "svg": "<svg><script>alert(1)</script></svg>",
    "iframe": '<iframe src="javascript:alert(1)"></iframe>',
    "link": "[x](javascript:alert(1))",
    "case": "[x](JaVaScRiPt:alert(1))",
    "escaped": "[x](javascript\\:alert(1))",
    "reference": "[x][y]\n\n[y]: javascript:alert(1)\n",
    "entity": "[x](&#106;avascript:alert(1))",
    "data": "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "file": "[x](file:///etc/passwd)",
    "relative": "[x](/formgrader/gradebook)",
    "picture": "![x](https://a.example/seen.png)",
    "autolink": "<javascript:alert(1)>",
    "mathjax": "$\\href{javascript:alert(1)}{x}$",
    "mermaid": "```mermaid\ngraph TD\nA[<img src=x onerror=alert(1)>]\n```",
    "heading": "# l03_essay",
    "setext": "l03_essay\n=====",
    "comment": "<!-- x -->",
}


@pytest.mark.parametrize("name", HARMFUL)
def test_what_acts_is_made_harmless(name):
    raw = markdown2html_mistune(HARMFUL[name])
    assert _active(raw) != [], "the test would not notice it"
    assert _active(markdown2html_mistune(sanitize.markdown(HARMFUL[name]))) == []


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(BAIT), st.text(max_size=3)), max_size=25).map("".join))
@example("[x](https://a.example/)\n\n[x]: https://a.example")
@example("-\n-")
def test_no_text_gets_a_tag_of_its_own(source):
    clean = sanitize.markdown(source)
    clean.encode("utf-8")
    assert sanitize.markdown(clean) == clean
    assert _active(markdown2html_mistune(clean)) == []


@pytest.mark.slow
@settings(max_examples=20_000, deadline=None)
@given(st.lists(st.sampled_from(BAIT), min_size=5, max_size=40).map("".join))
def test_no_text_gets_a_tag_of_its_own_at_length(source):
    assert _active(markdown2html_mistune(sanitize.markdown(source))) == []


PLAIN = """The attack needs `a < b` and x<y, R&D, "quotes" & more; 3 > 2, a<b, `f(x)[i](j)`.

1. first
2. second: [the paper](https://arxiv.org/abs/1708.06733), https://a.example/x?y=1&z=2
   - nested *emphasis*, **strong**, ~~gone~~

| rate | ASR |
| --- | ---: |
| 1 % | $p<q$ |

> quoted

```python
# a comment
if a<b and c[i](x) & 1:
    print("<b>")
```

Then $x<y \\le \\frac{1}{2}$ and $$\\sum_{i<n} a_i & b$$ done. &lt;tag&gt; \\alpha
"""


def test_a_plain_essay_looks_as_it_was_written():
    raw, clean = _shown(PLAIN), _shown(sanitize.markdown(PLAIN))
    structure = [[tag.name for tag in found.find_all() if tag.name != "span"] for found in (raw, clean)]
    assert structure[0] == structure[1] and {"ol", "table", "pre", "blockquote", "del"} <= {*structure[0]}
    invisible = str.maketrans("", "", f"{sanitize.GAP}{sanitize.THIN}")
    shown = clean.get_text().translate(invisible)
    assert shown.replace("x< y", "x<y").replace("p< q", "p<q").replace("i< n", "i<n") == raw.get_text()
    assert [a["href"] for a in clean.find_all("a")] == [a["href"] for a in raw.find_all("a")]
    assert not clean.find_all(class_="err")  # the highlighter found nothing odd


def test_harmless_text_stays_as_it_is():
    for source in (
        "*Write your answer here.*",
        "a < b\n\n- one\n- two\n\n$x < y$",
        "Überraschung 😀 ZWJ 👩\u200d💻",
        "",
    ):
        assert sanitize.markdown(source) == source == sanitize.plain(source)


def test_what_cannot_be_written_or_turns_text_round_is_dropped():
    assert sanitize.plain("a\0b\x1b[31mc\u202ed\ud800e\ufefff\tg\nh") == "ab[31mcd\N{REPLACEMENT CHARACTER}ef\tg\nh"
    assert sanitize.code("x = 1  # \u2066hidden") == "x = 1  # hidden"
    assert sanitize.code("if a<b:\n    pass") == "if a<b:\n    pass"  # every renderer escapes code


def test_what_is_long_is_cut_and_says_so():
    assert (
        sanitize.markdown("a" * 20_001) == "a" * 20_000 + "\n\n[1 more characters are in the file that was handed in]"
    )
    assert sanitize.code("a" * 30_000).endswith("# [10000 more characters are in the file that was handed in]")
    assert len(sanitize.line("a\n" * 9_000)) == sanitize.LINE


@pytest.mark.parametrize("bait", ["[", "> ", "`", "\\(", "$", "x\n-\n", "<", "]:", "#"])
def test_no_text_takes_long(bait):
    """What grows with the square of the length would take minutes."""
    import time

    start = time.process_time()
    markdown2html_mistune(sanitize.markdown(bait * (sanitize.SHOWN // len(bait) + 1)))
    assert time.process_time() - start < 10  # 2 at most, measured


@pytest.mark.parametrize(
    ("name", "fine"),
    [("ada", True), ("a.b_c@d+e-1", True), ("0815", True), ("", False), (".", False), ("..", False), ("-x", False),
     ("a b", False), ("a/b", False), ("<b>", False), ("a\n", False), ("ä", False), ("a" * 129, False), ('a"', False)],
)  # fmt: skip
def test_names_of_students(name, fine):
    assert sanitize.is_student(name) is fine


def test_an_unchanged_stub_counts_as_unchanged():
    """nbgrader gives 0 points to an essay whose checksum is that of the release."""
    from nbgrader.utils import compute_checksum

    cell = new_markdown_cell("*Write your answer here.*", metadata={"nbgrader": {"grade_id": "x", "solution": True}})
    before = compute_checksum(cell)
    cell.source = sanitize.markdown(cell.source)
    assert compute_checksum(cell) == before
