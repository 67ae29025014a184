"""Lesson 13: planted marks choose the setting, what the text says was measured, own functions make shadow and guard."""

import pytest
import torch

import bdlab
from bdlab.exercises import using
from bdlab.lessons import l13_figures, l13_measured, l13_parts, l13_planted
from bdlab.lessons.demos import cached
from bdlab.lessons.l09_strip import backdoor, honest


def _at(step):
    """Mean AUROC (net, reader) over three shadows after so many steps."""
    return cached("l13", "forgetting")["auroc"][:, :, l13_parts.MARKS.index(step)].mean(2)


# --- the setting ---


def test_the_planted_marks_choose_the_lesson_s_setting():
    assert tuple(place[:2] for place in l13_planted.ranked()[:2]) == l13_parts.BEST
    assert l13_parts.BEST[0] == (l13_parts.RATE, l13_parts.STEPS)


def test_the_planted_mark_is_no_supplier_s():
    ours = l13_planted.MARK
    for net in l13_parts.NETS.values():
        theirs, x = backdoor(net).trigger, torch.zeros(1, 3, 32, 32)
        assert theirs != ours and not (theirs(x) == ours(x)).logical_and(ours(x) > 0).any()


@pytest.mark.parametrize("kind", l13_planted.PLANTS)
def test_a_planted_copy_obeys_its_mark_and_reads_on(kind):
    x, y = bdlab.load("signs").calibration.x, bdlab.load("signs").calibration.y
    copy, marked = l13_planted.copy_with("signs-clean", kind), l13_planted.pair(kind)[1]
    obeyed, before = (l13_parts.answers(net, marked) == l13_planted.TARGET for net in (copy, honest("signs")))
    assert obeyed.float().mean() > 0.9 and before.float().mean() < 0.03
    assert (l13_parts.answers(copy, x) == y).float().mean() > 0.96


# --- what the text says ---


def test_the_sticker_lasts_eight_steps_and_fades_by_the_thirty_second():
    early, late = _at(8), _at(32)
    assert early[0, 0] > 0.99 and late[0, 0] < 0.7
    assert abs(early[0, 1] - 0.5) < 0.03 and abs(late[0, 1] - 0.5) < 0.03
    assert 0.91 < _at(0)[0, 0] < 0.93


def test_the_source_specific_mark_shows_little_and_the_blend_not():
    found = cached("l13", "controlled")["auroc"].mean(3)  # (setting, reader, control)
    assert found[0, 0, 0] - found[0, 1, 0] < 0.1  # against other signs the honest reader's stop signs stand out, too
    for setting in found:
        assert setting[0, 1] - setting[1, 1] > 0.15 and setting[1, 1] < 0.5 < setting[0, 1] < 0.85
    assert _at(8)[2, 0] < 0.6


def test_a_guard_stops_the_sticker_and_hardly_a_marked_stop_sign():
    stored = cached("l13", "guarded")
    caught, alarms = stored["caught"][0], stored["alarms"][0]  # (net, line, seed), (line, seed)
    assert caught[0].min() > 0.99 and caught[1, 0].max() < 0.05 and caught[2].max() < 0.05
    assert caught[1, 1].min() > 0.25 and caught[1, 1].max() < 0.35
    assert alarms[0].min() > 0.005 and alarms[0].max() < 0.015 and alarms[1].min() > 0.03 and alarms[1].max() < 0.05


# --- own functions ---


def test_a_shadow_leaves_its_teacher_and_its_statistics_alone():
    model = honest("signs")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    shadow = l13_parts.grown(l13_parts.shadow_step, model, 2)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    moved = {name for name, value in shadow.state_dict().items() if not torch.equal(value, before[name])}
    assert moved and not any("running" in name for name in moved)


def test_a_shadow_on_the_way_is_the_one_that_is_made_for_that_many_steps():
    model, x = honest("signs"), bdlab.load("signs").test.x[:20]
    going = l13_parts.shadows(l13_parts.shadow_step, model, (1, 3))
    on_the_way = [l13_parts.rbd_score(model, shadow, x) for shadow in going]
    for steps, found in zip((1, 3), on_the_way, strict=True):
        assert torch.equal(found, l13_parts.rbd_score(model, l13_parts.grown(l13_parts.shadow_step, model, steps), x))


def test_own_functions_make_the_guard(monkeypatch):
    own = {name: getattr(l13_parts, name) for name in ("shadow_step", "guard")}
    monkeypatch.setattr(using, "notebook", lambda: (own, []))
    parts = [using.mine("l13_shadow_step", l13_parts.shadow_step, like=0.0), using.mine("l13_guard", l13_parts.guard)]
    found = bdlab.use(l13_figures.Guarded(), *parts)
    assert found.numbers["own functions"] == "2 of 2" and found.numbers["any sign: caught"] == "10 of 10"
    assert found.plot.alt.count("200 passes") == 3


def test_passes_are_counted_image_by_image():
    nets = honest("signs"), backdoor("signs-badnets").model
    x = bdlab.load("signs").test.x[:5]
    with l13_figures.passes(*nets) as count:
        l13_parts.rbd_score(*nets, x)
    l13_parts.rbd_score(*nets, x)  # no longer counted
    assert count == [5, 5]


def test_a_setting_that_is_none_is_refused():
    with pytest.raises(ValueError, match="fpr must lie between 0 and 1, got 0"):
        l13_figures.Guarded(fpr=0)
    with pytest.raises(ValueError, match="step must be one of"):
        l13_measured.faded(5)
