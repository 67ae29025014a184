"""Mystery boxes: one answer in all its writings, named wrong ones, and a hash that is slow on purpose."""

import time

import numpy as np
import pytest
import torch

from bdlab import boxes
from bdlab.boxes import Box, normalised, seal


@pytest.fixture
def quick(monkeypatch):
    """The same hash, cheap, for tests that open many boxes."""
    monkeypatch.setattr(boxes, "COST", {"n": 2, "r": 1, "p": 1})


def test_ten_million_answers_take_longer_than_the_lesson():
    started = time.process_time()
    digest = seal((3, 4, 20, 120), "salt")
    assert time.process_time() - started > 0.15  # 10^6 answers: two days
    assert digest == seal([3, 4, 20, 120], "salt")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Speed 30", "speed30"), ("STRASSE", "straße"), ("\t7 \n", 7), ([7], 7), (("7",), 7), ("+7", 7),
        ((3, 4, 20), [3, 4, 20]), ((3, 4, 20), ("3", " 4", "20")), ({3, 20, 4}, {20, 4, 3}),
        (torch.tensor([3, 4]), [3, 4]), (np.array([3, 4]), [3, 4]), (torch.tensor(3), 3), (np.int64(3), 3),
        ([("Blend", 7), ("clean", 0)], [("blend", 7), ("clean", 0)]), ([np.int64(3), torch.tensor(4)], [3, 4]),
    ],
)  # fmt: skip
def test_one_answer_in_two_writings(first, second):
    assert normalised(first) == normalised(second)


@pytest.mark.parametrize(
    ("first", "second"),
    [((3, 4), (4, 3)), ((3, 4), (34,)), ("3, 4", (3, 4)), ((1, (2, 3)), ((1, 2), 3)), (-7, 7), ("clean", "clear")],
)
def test_different_answers_stay_different(first, second):
    assert normalised(first) != normalised(second)


def test_where_the_order_does_not_count_lists_are_sets():
    assert normalised([9, 10, "a"], unordered=True) == normalised(("A", 10, 9), unordered=True)
    assert normalised([9, 10]) != normalised([10, 9])


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (7.0, "answer must be a text, a whole number, or a list of those, got 7.0 of type float; write 7 in place of 7.0"),
        ([1, 2.5], "got 2.5 of type float"),
        (torch.tensor([1.0]), "got 1.0 of type float"),
        (np.float32(1), "got 1.0 of type float"),
        (True, "got True of type bool; .* in place of True and False"),
        ([True, False], "got True of type bool"),
        (None, "got None of type NoneType"),
        ({"a": 1}, "of type dict"),
        ("  ", "answer must not be empty"),
        ([], "answer must not be empty"),
    ],
)
def test_what_no_answer_can_be_is_refused(answer, message):
    with pytest.raises(ValueError, match=message):
        normalised(answer)


def box(**more):
    salt = "l03"
    wrong = {seal((3, 20, 4, 120), salt): "Row and column are swapped."}
    form = ("class", "row", "column", "count")
    return Box("Which?", seal((3, 4, 20, 120), salt), salt, **{"wrong": wrong, "form": form, **more})


def test_a_box_knows_its_answer_and_its_wrong_ones(quick):
    assert box().judge((3, 4, 20, 120)) == (True, "")
    assert box().judge(["3", 4, 20, 120]) == (True, "")
    assert box().judge((3, 20, 4, 120)) == (False, "Row and column are swapped.")
    assert box().judge((3, 4, 20, 121)) == (False, "")


def test_an_answer_of_another_form_is_told(quick):
    with pytest.raises(ValueError, match=r"must have 4 parts \(class, row, column, count\), got 3: \(3, 4, 20\)"):
        box().judge((3, 4, 20))
    with pytest.raises(ValueError, match="got 1: 7"):
        box().judge(7)
    assert box(form=()).judge(7) == (False, "")


def test_a_set_is_found_in_any_order(quick):
    some = Box("Which?", seal({3, 17, 9}, "s", unordered=True), "s", unordered=True)
    assert some.judge([17, 9, 3])[0] and some.judge({3, 9, 17})[0] and not some.judge([17, 9])[0]


def test_the_salt_counts(quick):
    assert seal(7, "a") != seal(7, "b")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"question": " "}, "question must say what is asked"),
        ({"digest": "7"}, "digest must be 64 hexadecimal digits, got '7'; make it with bdlab.boxes.seal"),
        ({"wrong": {"7": "words"}}, "digest must be 64 hexadecimal digits, got '7'"),
        ({"wrong": {"0" * 64: "words"}}, "wrong must not hold the digest of the right answer"),
    ],
)
def test_a_box_that_makes_no_sense_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Box(**{"question": "Which?", "digest": "0" * 64, "salt": "s", **change})
