"""Lesson 09, STRIP: entropy and superimposed images; what else it asks stands in l09_scores.py and l09_bounds.py."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from numpy.random import RandomState
from torch import Tensor

from bdlab.exercises.l09_bounds import FRR_FAR
from bdlab.exercises.l09_questions import BOX, QUESTIONS
from bdlab.exercises.l09_scores import STRIP_SCORES
from bdlab.exercises.parts import unchanged, values
from bdlab.exercises.specification import Draw, Exercise, Lesson, Mistake, images
from bdlab.submission import Ref

# --- entropy ---


def simplex_draws(rng: RandomState) -> Iterator[Draw]:
    """Each of the first ones has a row with zeros: who takes their logarithm gets nan."""
    yield {"probs": torch.tensor([[0.5, 0.5, 0.0], [0.25, 0.25, 0.5]])}
    yield {"probs": torch.tensor([[0.5, 0.125, 0.25, 0.125], [1.0, 0.0, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25]])}
    for number in range(20):
        rows, classes = (3, 1, 2, 5)[number % 4], 2 + number % 16
        probs = images(rng, (rows, classes))
        probs = probs / probs.sum(1, keepdim=True)
        if number % 2 == 0:
            probs[0] = torch.eye(classes)[number % classes]  # a sure network
        yield {"probs": probs}


def _rows_are_zero(probs: Tensor, got: Tensor, expected: Tensor) -> bool:
    """Whether every wrong row is 0 and holds a share of 0."""
    wrong = ~torch.isclose(got, expected, rtol=1e-4, atol=1e-6)
    return bool((got[wrong] == 0).all() and (probs[wrong] == 0).any(1).all())


def _logs_alone(probs: Tensor, got: Tensor, expected: Tensor) -> bool:
    """Whether rows without zeros are minus the sum of their logarithms, and the others are far too high."""
    full, alone = (probs > 0).all(1), -probs.log2().sum(1)
    return bool(torch.allclose(got[full], alone[full], rtol=1e-3) and (got[~full] > expected[~full] + 5).all())


ENTROPY = Exercise(
    "entropy(probs)", minutes=13, difficulty=1, importance=4,
    parts=[values(2, simplex_draws, "22 draws, 2 to 17 classes, one row and sure networks too"),
           unchanged(1, simplex_draws)],
    hints=(
        "What does 0 times the logarithm of 0 give in torch, and what should it give?",
        "Multiply each probability by its logarithm to base 2, sum over the classes, turn the sign. Keep zeros away from "
        "the logarithm.",
        "`probs.clamp_min(1e-30)` is positive everywhere. Take its `torch.log2`, and multiply by `probs` itself.",
    ),
    mistakes={
        "nats": "You take the natural logarithm. The entropy is asked for in bits: base 2.",
        "tens": "You take the logarithm to base 10. The entropy is asked for in bits: base 2.",
        "zeros": Mistake(
            "A row with a share of 0 gives nan: its logarithm is no number, nor is 0 times it. Give the logarithm nothing "
            "but positive numbers, by a clamp for example.",
            when=lambda draw, got, expected: bool((got.isnan() == (draw["probs"] == 0).any(1)).all() and got.isnan().any()),
        ),
        "late": Mistake(
            "A row with a share of 0 comes out as 0 altogether: its sum was nan when you replaced it. Mend each product "
            "before the sum.",
            when=lambda draw, got, expected: _rows_are_zero(draw["probs"], got, expected),
        ),
        "sign": "Your numbers are the entropies with the other sign. Logarithms of shares are negative: put a minus before "
        "the sum.",
        "mean": "You take the mean over the classes. Entropy is a sum: with a mean a reader of 16 classes seems surer than "
        "one of 10.",
        "columns": "You sum down the columns, over the images. Each row is one answer of the network, with an entropy of "
        "its own.",
        "mean_of_columns": "You take the mean down the columns, over the images. Each row is one answer of the network, "
        "with an entropy of its own: sum along axis 1.",
        "twice": "You take softmax of the rows. They are shares already: softmax makes them more alike.",
        "share_of_most": "You divide by the entropy of a uniform row, log2 K. The result lies in [0, 1], but bits are asked "
        "for.",
        "unweighted": Mistake(
            "You sum the logarithms alone. Each must be multiplied with its own share: else rare classes count most.",
            when=lambda draw, got, expected: _logs_alone(draw["probs"], got, expected),
        ),
        "one_number": Mistake(
            "You return one number for all rows. Every row has an entropy of its own: the result has shape (N,).",
            when=lambda draw, got, expected: isinstance(got, Tensor) and got.ndim == 0,
        ),
        "column_kept": Mistake(
            "The numbers are right, but of shape (N, 1). Wanted is (N,), with no axis of length 1 at the end.",
            when=lambda draw, got, expected: got.shape == (len(expected), 1) and torch.allclose(got[:, 0], expected),
        ),
        "coarse": Mistake(
            "Near, but not right: what you do against zeros moves the other numbers, too. A far smaller bound does not: "
            "1e-12.",
            when=lambda draw, got, expected: bool(
                ((got - expected).abs() < 0.08 * draw["probs"].shape[1]).all() and (draw["probs"] == 0).any()
            ) or bool(((got - expected).abs() < 0.02 * draw["probs"].shape[1]).all()),
        ),
        "in_place": "The result is right, but probs itself has changed. Whoever looks at the network's answers afterwards "
        "looks at other numbers.",
    },
    onward="lay images over each other",
)  # fmt: skip

# --- superimpose ---

SHAPES = ((1, 2, 2), (3, 2, 3), (1, 3, 2), (3, 4, 4))
"""Of one image: grey, colour, not square."""


def overlaid_draws(rng: RandomState) -> Iterator[Draw]:
    """Both modes in turn; as many overlays as inputs first, then fewer and more."""
    x, overlays = torch.tensor([0.75, 0.5]).view(2, 1, 1, 1), torch.tensor([0.5, 0.25]).view(2, 1, 1, 1)
    yield {"x": x, "overlays": overlays, "mode": "add_clip"}
    yield {"x": x, "overlays": overlays, "mode": "add"}
    for number in range(20):
        inputs, many = ((2, 3), (1, 4), (3, 1), (5, 2), (1, 1))[number % 5]
        shape = SHAPES[number % 4]
        yield {
            "x": images(rng, (inputs, *shape)), "overlays": images(rng, (many, *shape)),
            "mode": ("add_clip", "add")[number % 2],
        }  # fmt: skip


def _piled(draw: Draw, got: Tensor) -> bool:
    """Whether each picture holds all overlays up to its own, or all of them; cut at 1 or not."""
    sums = draw["x"][:, None] + draw["overlays"].cumsum(0)
    ways = (sums, sums[:, -1:].expand_as(sums))
    return any(torch.allclose(got, way) or torch.allclose(got, way.clamp(max=1)) for way in ways)


SUPERIMPOSE = Exercise(
    "superimpose(x, overlays, mode)", minutes=15, difficulty=2, importance=4,
    parts=[values(2, overlaid_draws, "22 draws, both modes: grey and colour, one input, one overlay"),
           unchanged(1, overlaid_draws)],
    hints=(
        "What shape must x have, so that adding overlays of shape (M, C, H, W) gives all pairs?",
        "An axis of length 1 is repeated as often as needed. Give x one more axis, between the images and the channels.",
        "`x[:, None]` has shape (N, 1, C, H, W). Add the overlays; `clamp` cuts, and only in one of the modes.",
    ),
    mistakes={
        "overlay_major": "You put the overlays first: (M, N, ...). The inputs come first, so that row i holds all "
        "pictures of input i.",
        "zipped": Mistake(
            "You pair input 1 with overlay 1, input 2 with overlay 2, and so on. Wanted are all pairs: every overlay over "
            "every input.",
            when=lambda draw, got, expected: got == {"raised": "RuntimeError"}
            or (isinstance(got, Tensor) and got.ndim == 4 and len(got) == min(len(draw["x"]), len(draw["overlays"]))),
        ),
        "by_overlay": Mistake(
            "The pictures stand in one long row, overlay by overlay. Wanted is (N, M, C, H, W), the inputs first: "
            "torch.stack makes an axis, torch.cat does not.",
            when=lambda draw, got, expected: torch.equal(got, expected.transpose(0, 1).flatten(0, 1)),
        ),
        "reshaped": "The shape is right, but the pictures stand in the wrong places: they were made overlay by overlay, and "
        "reshape only counts them off. torch.stack(..., 1) keeps them apart.",
        "flattened": Mistake(
            "The pictures stand in one long row, (N * M, ...). Keep the axis of the inputs: (N, M, C, H, W).",
            when=lambda draw, got, expected: got.shape == expected.flatten(0, 1).shape
            and torch.allclose(got, expected.flatten(0, 1)),
        ),
        "piled": Mistake(
            "Overlays pile up: a picture holds those before it, too, or all. `t = x[i]` is no copy, so that `t += ...` "
            "changes x. Make a new sum for each picture: `x[i] + overlays[j]`.",
            when=lambda draw, got, expected: _piled(draw, got),
        ),
        "halves": "You take half of each. Both count in full here: the mark must keep its full strength below the overlay.",
        "always_cut": "You cut at 1 in both modes. With 'add' the sum stays as it is, up to 2.",
        "never_cut": "You never cut. With 'add_clip' everything above 1 becomes 1.",
        "modes_swapped": "The two modes have changed places: 'add_clip' cuts at 1, 'add' does not.",
        "mean_cut": "With 'add_clip' you take the mean of both. Add them, and cut: what is above 1 becomes 1.",
        "rescaled": "You divide by the brightest pixel. That dims every picture by a factor of its own; cutting changes "
        "only what is above 1.",
        "rescaled_all": "You divide by the brightest pixel of all. That dims every picture; cutting changes only what is "
        "above 1.",
        "emptied": Mistake(
            "What should be 1 is 0: you make pixels that are too bright black. Cutting makes them 1.",
            when=lambda draw, got, expected: bool(((got == expected) | ((got == 0) & (expected == 1))).all()),
        ),
        "no_tensor": Mistake(
            "With 'add_clip' no tensor comes back. torch.min and torch.max with a number look along that axis and give "
            "(values, indices): `clamp(max=1)` cuts.",
            when=lambda draw, got, expected: isinstance(got, Ref) and draw["mode"] == "add_clip",
        ),
        "around": "What is above 1 begins again at 0, as numbers of 8 bits do. Cutting makes it 1.",
        "in_place": "The result is right, but x or overlays has changed. The next call would lay pictures over pictures.",
    },
    onward="ask the network about all these pictures",
)  # fmt: skip

LESSON = Lesson("09_strip", "STRIP: what will not change its mind", 120, (ENTROPY, SUPERIMPOSE, STRIP_SCORES, FRR_FAR),
                QUESTIONS, box=BOX)  # fmt: skip
