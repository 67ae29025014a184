"""Lesson 13: the library's parts agree with RBD-R, what the text says was measured, own functions make the guard."""

import pytest
import torch

import bdlab
from bdlab.exercises import using
from bdlab.lessons import l13_figures, l13_rbd
from bdlab.lessons.demos import cached
from bdlab.lessons.l09_strip import honest


def _at(step):
    stored = cached("l13", "forgetting")
    place = l13_rbd.MARKS.index(step)
    return stored["auroc"][:, :, place], stored["stop"][:, place]


def test_the_sticker_lasts_eight_steps_and_fades_by_the_thirty_second():
    (early, _), (late, _) = _at(8), _at(32)
    assert early[0, 0] > 0.99 and late[0, 0] < 0.7
    assert abs(early[0, 1] - 0.5) < 0.03 and abs(late[0, 1] - 0.5) < 0.03


def test_the_source_specific_mark_and_the_blend_are_not_shown_at_eight_steps():
    auroc, stop = _at(8)
    assert auroc[1, 0] < auroc[1, 1]  # the honest reader's stop signs stand out more
    assert stop[0] - stop[1] < 0.1 and auroc[2, 0] < 0.6


def test_a_guard_refuses_about_one_in_a_hundred_honest_signs():
    refused = cached("l13", "alarms")["refused"]
    assert refused.min() > 0.004 and refused.max() < 0.02


def test_a_shadow_leaves_its_teacher_and_its_statistics_alone():
    model = honest("signs")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    shadow = l13_rbd.grown(l13_rbd.shadow_step, model, 2)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    moved = {name for name, value in shadow.state_dict().items() if not torch.equal(value, before[name])}
    assert moved and not any("running" in name for name in moved)


def test_own_functions_make_the_guard(monkeypatch):
    own = {name: getattr(l13_rbd, name) for name in ("shadow_step", "guard")}
    monkeypatch.setattr(using, "notebook", lambda: (own, []))
    parts = [using.mine("l13_shadow_step", l13_rbd.shadow_step, like=0.0), using.mine("l13_guard", l13_rbd.guard)]
    found = bdlab.use(l13_figures.Guarded(), *parts)
    assert found.numbers["own functions"] == "2 of 2"
    assert found.numbers["obeys on any sign"].startswith("10 of 10")


def test_a_setting_that_is_none_is_refused():
    with pytest.raises(ValueError, match="fpr must lie between 0 and 1, got 0"):
        l13_figures.Guarded(fpr=0)
    with pytest.raises(ValueError, match="step must be one of"):
        l13_figures.faded(5)
