"""Five exercises of harder shapes than lesson 03 needs, declared as a lesson would: they test the contract itself.

A training loop, a hook, a pruned copy, a saliency map, a class; each with its reference, right answers in another style,
and mutants: the reference with a few tokens changed, and the points that they deserve.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch.nn import functional as F

from bdlab.exercises.parts import values
from bdlab.exercises.specification import Exercise, Wrong
from bdlab.submission import Ref
from bdlab.submission.fixtures import model

SETUP = "import copy\nimport torch\nfrom torch import Tensor, nn\nfrom torch.nn import functional as F\n"


@dataclass(frozen=True)
class Answer:
    """One way to answer an exercise.  points: what a mutant deserves."""

    exercise: str
    name: str
    source: str
    points: float | None = None

    @property
    def cells(self):
        return [SETUP, self.source]


def _edited(source, *edits):
    for old, new in edits:
        assert old in source, old
        source = source.replace(old, new)
    return source


def _images(rng, *shape):
    return torch.from_numpy(rng.rand(*shape).astype(np.float32))


@cache
def _blank(kind, shape):
    return dict(model(kind, shape=shape).state_dict())


def _state(rng, kind, shape):
    """Weights that the trusted side draws and sends: nobody's default initialisation."""
    state = dict(_blank(kind, shape))
    for name, value in state.items():
        if value.is_floating_point():
            drawn = rng.rand(*value.shape) + 0.5 if name.endswith("running_var") else rng.randn(*value.shape) * 0.3
            state[name] = torch.from_numpy(np.asarray(drawn, np.float32))
    return state


def _exercise(signature, uses, parts, hints, mistakes):
    """uses: fixtures that the parts ask for.  parts: name, points, draws, what asks, what a pass has shown."""
    made = [values(points, draws, told, name=name, run=run, uses=uses) for name, points, draws, run, told in parts]
    about = {"minutes": 10, "difficulty": 3, "importance": 3, "onward": "the next"}
    return Exercise(signature, parts=made, hints=hints, mistakes=mistakes, **about).within("t01")


SIZES = ((1, 4, 4), (3, 3, 5), (2, 5, 3))
KINDS = ("tiny_bn", "tiny")


def _nets(count):
    """Draws of a small net and some images: not square, colour, a batch of one, both kinds, both modes."""

    def draws(rng):
        found = []
        for number in range(count):
            shape, kind = SIZES[number % 3], KINDS[number % 2]
            images = _images(rng, (4, 1, 3)[number % 3], *shape)
            found.append({"shape": shape, "kind": kind, "state": _state(rng, kind, shape), "x": images})
            found[-1] |= {"train": number % 4 == 0, "fresh": _images(rng, 3, *shape)}
        return found

    return draws


def _net(sub, draw, **more):
    return sub.fixture("model", draw["kind"], draw["state"], shape=draw["shape"], **more)


# --- train_epoch: batch norm shows the mode, stale gradients a missing zero_grad ---


def _epochs(rng):
    found = []
    for number in range(4):
        shape, kind, count = SIZES[number % 3], KINDS[number % 2], int(rng.randint(5, 10))
        size = count - 1 - number % 2  # the last batch is shorter
        found.append({"shape": shape, "kind": kind, "state": _state(rng, kind, shape), "size": size})
        found[-1] |= {"x": _images(rng, count, *shape), "y": torch.from_numpy(rng.randint(4, size=count))}
    return found


def _train(sub, draw):
    net = _net(sub, draw, stale_grad=True)
    loader, optimiser = sub.fixture("batches", draw["x"], draw["y"], draw["size"]), sub.fixture("sgd", net, 0.1)
    return sub.call("train_epoch", net, loader, optimiser), sub.state(net)


TRAIN = _exercise(
    "train_epoch(model, batches, optimiser)", ("model", "batches", "sgd"),
    (("the loss", 1.0, _epochs, lambda sub, draw: {"the mean loss": _train(sub, draw)[0]}, "weighted by size"),
     ("the weights", 2.0, _epochs, lambda sub, draw: _train(sub, draw)[1], "one step a batch, in train mode")),
    ("Which mode?", "Zero, backward, step.", "optimiser.zero_grad()"),
    {"unweighted": "The last batch is shorter.", "stale": "Gradients add up.", "eval_mode": "Batch norm must train.",
     "zeroed_late": "zero_grad comes before backward.", "summed": "The loss of a batch is a mean.",
     "last_loss": "Every batch counts.", "first_batch": "The loop ends too early."},
)  # fmt: skip
TRAINED = """
def train_epoch(model, batches, optimiser) -> float:
    total, count = 0.0, 0
    model.train()
    for x, y in batches:
        optimiser.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimiser.step()
        total += loss.item() * len(y)
        count += len(y)
    return total / count
"""
TRAINS = [
    Answer(TRAIN.id, "reference", TRAINED),
    Answer(TRAIN.id, "gradients_by_hand", '''
def train_epoch(model, batches, optimiser):
    weights, losses = list(model.parameters()), []
    for part in model.modules():
        part.training = True
    for images, labels in batches:
        rows = -F.log_softmax(model(images), 1)[torch.arange(len(labels)), labels]
        for weight, grad in zip(weights, torch.autograd.grad(rows.mean(), weights)):
            weight.grad = grad
        optimiser.step()
        losses += rows.tolist()
    return sum(losses) / len(losses)
'''),
    Answer(TRAIN.id, "summed_tensors", '''
def train_epoch(model, batches, optimiser):
    criterion, batches = nn.CrossEntropyLoss(reduction="sum"), list(batches)
    n, summed = sum(len(y) for _, y in batches), torch.zeros(())
    model = model.train(True)
    for x, y in batches:
        model.zero_grad()
        loss = criterion(model(x), y)
        (loss / y.numel()).backward()
        optimiser.step()
        summed = summed + loss.detach()
    return (summed / n).item()
'''),
]  # fmt: skip
TRAINS += [
    Answer(TRAIN.id, name, _edited(TRAINED, *edits), points)
    for name, points, *edits in (
        ("unweighted", 2.0, (" * len(y)", ""), ("+= len(y)", "+= 1")),
        ("stale", 0.0, ("        optimiser.zero_grad()\n", "")),
        ("eval_mode", 0.0, ("model.train()", "model.eval()")),
        ("zeroed_late", 0.0, ("        optimiser.step", "        optimiser.zero_grad()\n        optimiser.step")),
        ("summed", 0.0, ("(model(x), y)", '(model(x), y, reduction="sum")')),
        ("last_loss", 2.0, ("total / count", "loss.item()")),
        ("first_batch", 0.0, ("    return", "        return")),
    )
]

# --- channel_means: the mode must come back, and what a hook left behind must not count twice ---


def _means(sub, draw):
    return sub.call("channel_means", _net(sub, draw, train=draw["train"]), draw.get("stage", "conv"), draw["x"])


def _means_and_after(sub, draw):
    net = _net(sub, draw, train=draw["train"])
    first, again = (sub.call("channel_means", net, "conv", draw["x"]) for _ in range(2))
    state = sub.state(net)  # a forward pass in train mode moves it: looked at first
    return {"the second call minus the first": again - first, **state, "the model": sub.invoke(net, draw["fresh"])}


def _both_stages(rng):
    return [{**draw, "stage": ("conv", "normalize")[number == 2]} for number, draw in enumerate(_nets(4)(rng))]


MEANS = _exercise(
    "channel_means(model, stage, x)", ("model",),
    (("values", 2.0, _both_stages, _means, "in eval mode, over images and positions"),
     ("left as it was", 1.0, _nets(3), _means_and_after, "same answers, mode and statistics afterwards")),
    ("What runs?", "A hook.", "register_forward_hook"),
    {"stays_in_eval": "Put the mode back.", "stays_in_train": "Put back the mode it had.", "train_mode": "eval first.",
     "summed": "The mean over positions too.", "first_image": "All images.", "hook_left": "Remove your hook.",
     "detached": "A hook that returns something changes the model."},
)  # fmt: skip
MEANT = """
def channel_means(model, stage, x):
    seen = []
    modes = {part: part.training for part in model.modules()}
    handle = getattr(model, stage).register_forward_hook(lambda part, given, output: seen.append(output))
    model.eval()
    try:
        with torch.no_grad():
            model(x)
    finally:
        handle.remove()
        for part, mode in modes.items():
            part.training = mode
    return sum(output.mean((2, 3)).sum(0) for output in seen) / len(x)
"""
MEANINGS = [
    Answer(MEANS.id, "reference", MEANT),
    Answer(MEANS.id, "walk", '''
@torch.inference_mode()
def channel_means(model, stage, x):
    was = model.training
    model.eval()
    for name, part in model.named_children():
        x = part(x)
        if name == stage:
            break
    model.train(was)
    return x.transpose(0, 1).flatten(1).mean(1)
'''),
    Answer(MEANS.id, "copy", '''
def channel_means(model, stage, x):
    names = [name for name, _ in model.named_children()]
    trunk = copy.deepcopy(nn.Sequential(*list(model)[: names.index(stage) + 1])).eval()
    rows = [trunk(image[None])[0].mean(-1).mean(-1) for image in x]
    return torch.stack(rows).mean(0).detach()
'''),
]  # fmt: skip
MEANINGS += [
    Answer(MEANS.id, name, _edited(MEANT, *edits), points)
    for name, points, *edits in (
        ("stays_in_eval", 2.0, ("= mode\n", "= False\n")),
        ("stays_in_train", 2.0, ("= mode\n", "= True\n")),
        ("train_mode", 0.0, ("model.eval()", "model.train()")),
        ("summed", 1.0, (".mean((2, 3))", ".sum((2, 3))")),
        ("first_image", 1.0, (".sum(0)", "[0]"), (" / len(x)", "")),
        (
            "hook_left",
            2.0,
            ("\ndef channel_means", "\nseen = []\n\ndef channel_means"),
            ("    seen = []\n", "    seen.clear()\n"),
            ("handle.remove()", "pass"),
        ),
        (
            "detached",
            2.0,
            ("seen.append(output)", "seen.append(output) or output.abs() * 0"),
            ("handle.remove()", "pass"),
        ),
    )
]

# --- prune: a mask, a hook and zeroed weights are equally right ---


def _prunings(count):
    """Batch norms whose shift survives ReLU, so that a channel with zeroed weights alone is not silent."""

    def draws(rng):
        found = _nets(count)(rng)
        for draw, size in zip(found, (2, 5, 0, 6), strict=False):
            draw["channels"] = sorted(map(int, rng.choice(6, size, replace=False)))
            draw["state"] |= {name: value.abs() + 1 for name, value in draw["state"].items() if name == "conv.1.bias"}
        return found

    return draws


def _pruned(sub, net, draw):
    pruned = sub.call("prune", net, "conv", draw["channels"])
    if not isinstance(pruned, Ref):
        raise Wrong("prune must return a model")
    return pruned


def _prune(sub, draw):
    return sub.invoke(_pruned(sub, _net(sub, draw), draw), draw["fresh"])


def _prune_and_after(sub, draw):
    """A step of the model that was given, with stale gradients, must not reach its pruned copy."""
    net = _net(sub, draw, stale_grad=True)
    before = sub.invoke(net, draw["fresh"])
    pruned = _pruned(sub, net, draw)
    first, after = sub.invoke(pruned, draw["fresh"]), sub.invoke(net, draw["fresh"])
    sub.invoke(sub.fixture("sgd", net, 0.1), method="step")
    again = sub.invoke(pruned, draw["fresh"])
    return {"outputs of the model, changed by": after - before, "outputs of the copy, changed by": again - first}


PRUNE = _exercise(
    "prune(model, stage, channels)", ("model", "sgd"),
    (("outputs", 2.0, _prunings(4), _prune, "on fresh images"),
     ("a copy", 1.0, _prunings(3), _prune_and_after, "it shares nothing with the model")),
    ("What is a channel?", "A mask.", "index_fill"),
    {"in_place": "Copy the model.", "inverted": "These go, the others stay.", "one_less": "The last one too.",
     "weights_only": "A bias remains.", "conv_only": "Batch norm adds its own bias.", "shared": "Copy the weights too."},
)  # fmt: skip
PRUNED = """
class Mask(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.channels = torch.tensor(channels, dtype=torch.int64)

    def forward(self, maps):
        return maps.index_fill(1, self.channels, 0.0)


def prune(model, stage, channels):
    pruned = copy.deepcopy(model)
    setattr(pruned, stage, nn.Sequential(getattr(pruned, stage), Mask(channels)))
    return pruned
"""
ZEROED = """
def prune(model, stage, channels):
    pruned = copy.deepcopy(model)
    for part in getattr(pruned, stage).modules():
        if isinstance(part, (nn.Conv2d, nn.BatchNorm2d)):
            part.weight.data[channels] = 0
            part.bias.data[channels] = 0
    return pruned
"""
PRUNES = [
    Answer(PRUNE.id, "reference", PRUNED),
    Answer(PRUNE.id, "zeroed", ZEROED),
    Answer(PRUNE.id, "hook", '''
def prune(model, stage, channels):
    def silence(part, given, maps):
        keep = torch.ones(maps.shape[1])
        keep[channels] = 0
        return maps * keep[:, None, None]

    result = copy.deepcopy(model)
    result.get_submodule(stage).register_forward_hook(silence)
    return result
'''),
    Answer(PRUNE.id, "function", '''
def prune(model, stage, channels):
    own = copy.deepcopy(model)

    def forward(x):
        for name, part in own.named_children():
            x = part(x)
            if name == stage:
                kept = [torch.zeros_like(m) if c in channels else m for c, m in enumerate(x.unbind(1))]
                x = torch.stack(kept, 1)
        return x

    return forward
'''),
]  # fmt: skip
PRUNES += [
    Answer(PRUNE.id, name, _edited(source, *edits), points)
    for name, points, source, *edits in (
        ("in_place", 2.0, PRUNED, ("copy.deepcopy(model)", "model")),
        ("inverted", 1.0, PRUNED, ("0.0)", "0.0).neg().add(maps)")),
        ("one_less", 1.0, PRUNED, ("Mask(channels)", "Mask(channels[:-1])")),
        ("weights_only", 1.0, ZEROED, ("            part.bias.data[channels] = 0\n", "")),
        ("conv_only", 1.0, ZEROED, ("(nn.Conv2d, nn.BatchNorm2d)", "nn.Conv2d")),
        ("shared", 2.0, PRUNED, ("copy.deepcopy(model)", "copy.copy(model)"),
         ("    setattr", "    pruned._modules = dict(model._modules)\n    setattr")),
    )
]  # fmt: skip

# --- grad_cam: a step of the optimiser afterwards shows a gradient that was left behind ---


def _cams(count, zero=False):
    """Maps that have both signs before ReLU, or none at all.

    Channels c and c + 3 see opposite things, and speak for and against the class; two pixels show them both.
    """

    def draws(rng):
        found = [{**draw, "label": int(rng.randint(4)), "kind": "tiny"} for draw in _nets(count)(rng)]
        for draw in found:
            draw["x"][..., 0, 0], draw["x"][..., 0, 1] = 0.9, 0.1
            state = draw["state"] = _state(rng, "tiny", draw["shape"])
            centre = state["conv.0.weight"][:3, :, 1:2, 1:2].abs() + 0.1
            state["conv.0.weight"] = F.pad(torch.cat((centre, -centre)), (1, 1, 1, 1))
            state["conv.0.bias"] = torch.full((6,), -100.0 if zero else 0.0)
            head = state["head.1.weight"].abs().unflatten(1, (6, -1))  # (classes, channels, positions)
            state["head.1.weight"] = torch.cat((head[:, :3], -head[:, 3:]), 1).flatten(1)
        return found

    return draws


def _labelled(rng):
    return [{**draw, "label": int(rng.randint(4))} for draw in _nets(3)(rng)]


def _cam(sub, draw, **more):
    return sub.call("grad_cam", _net(sub, draw, **more), "conv", draw["x"], draw["label"])


def _cam_and_after(sub, draw):
    net = _net(sub, draw)
    sub.call("grad_cam", net, "conv", draw["x"], draw["label"])
    sub.invoke(sub.fixture("sgd", net, 0.5), method="step")
    return {**sub.state(net), "the model": sub.invoke(net, draw["fresh"])}


CAM = _exercise(
    "grad_cam(model, stage, x, label)", ("model", "sgd"),
    (("maps", 2.0, _cams(4), _cam, "each image's largest value is 1"),
     ("empty maps", 1.0, _cams(3, zero=True), _cam, "0, not nan"),
     ("left as it was", 1.0, _labelled, _cam_and_after, "no gradient is left behind")),
    ("Of what?", "Mean gradient.", "torch.autograd.grad"),
    {"no_relu": "Only what speaks for the class.", "raw": "Divide by the largest value.", "nan": "0 / 0 is nan.",
     "one_top": "Each image by its own largest value.", "gradients_left": "backward() leaves gradients.",
     "probability": "The logit, not the probability."},
)  # fmt: skip
CAMMED = """
def grad_cam(model, stage, x, label):
    maps, out = None, x
    for name, part in model.named_children():
        out = part(out)
        if name == stage:
            maps = out
    grads = torch.autograd.grad(out[:, label].sum(), maps)[0]
    weights = grads.mean((2, 3), keepdim=True)
    cam = (weights * maps).sum(1).relu().detach()
    top = cam.amax((1, 2), keepdim=True)
    return torch.where(top > 0, cam / top, 0.0)
"""
CAMS = [
    Answer(CAM.id, "reference", CAMMED),
    Answer(CAM.id, "hooks", '''
def grad_cam(model, stage, x, label):
    kept = {}
    layer = dict(model.named_children())[stage]
    handles = [
        layer.register_forward_hook(lambda part, given, output: kept.update(maps=output)),
        layer.register_full_backward_hook(lambda part, grad_in, grad_out: kept.update(grads=grad_out[0])),
    ]
    logits = model(x)
    logits.gather(1, torch.full((len(x), 1), label)).sum().backward()
    for handle in handles:
        handle.remove()
    model.zero_grad()
    with torch.no_grad():
        alpha = kept["grads"].flatten(2).sum(2)
        cam = torch.einsum("nc,nchw->nhw", alpha, kept["maps"]).clamp(min=0)
        return cam / cam.flatten(1).max(1).values.clamp(min=1e-30)[:, None, None]
'''),
    Answer(CAM.id, "one_by_one", '''
def grad_cam(model, stage, x, label):
    own, found = copy.deepcopy(model), []
    cut = [name for name, _ in own.named_children()].index(stage) + 1
    trunk, tail = nn.Sequential(*list(own)[:cut]), nn.Sequential(*list(own)[cut:])
    for image in x:
        maps = trunk(image[None]).detach().requires_grad_()
        tail(maps)[0, label].backward()
        cam = torch.relu(sum(g.mean() * m for g, m in zip(maps.grad[0], maps.detach()[0])))
        found.append(cam / cam.max() if cam.max() > 0 else cam)
    return torch.stack(found)
'''),
]  # fmt: skip
CAMS += [
    Answer(CAM.id, name, _edited(CAMMED, *edits), points)
    for name, points, *edits in (
        ("no_relu", 2.0, (".relu()", "")),
        ("raw", 2.0, ("torch.where(top > 0, cam / top, 0.0)", "cam")),
        ("nan", 3.0, ("torch.where(top > 0, cam / top, 0.0)", "cam / top")),
        ("one_top", 2.0, ("cam.amax((1, 2), keepdim=True)", "cam.max()")),
        ("gradients_left", 3.0, ("grads = torch.autograd.grad(out[:, label].sum(), maps)[0]",
                                 "maps.retain_grad()\n    out[:, label].sum().backward()\n    grads = maps.grad")),
        ("probability", 2.0, ("out[:, label]", "out.softmax(1)[:, label]")),
    )
]  # fmt: skip

# --- RunningMean: a class of the student's ---


def _streams(rng):
    """Two to four batches, no two of one size."""
    return [{"batches": [_images(rng, int(size), 3) for size in rng.permutation(4)[: 2 + n % 3] + 1]} for n in range(4)]


def _once(sub, draw):
    mean = sub.make("RunningMean")
    for rows in draw["batches"]:
        sub.invoke(mean, rows, method="update")
    return sub.invoke(mean, method="value")


def _each(sub, draw):
    """The value after every batch, and the batches, which must be as they were."""
    mean, given, values = sub.make("RunningMean"), [sub.fixture("tensor", rows) for rows in draw["batches"]], []
    for rows in given:
        sub.invoke(mean, rows, method="update")
        values.append(sub.invoke(mean, method="value"))
    return {"value()": values, "the rows": [sub.value(rows) for rows in given]}


def _two(sub, draw):
    means = [sub.make("RunningMean"), sub.make("RunningMean")]
    for number, rows in enumerate(draw["batches"]):
        sub.invoke(means[number % 2], rows, method="update")
    return [sub.invoke(mean, method="value") for mean in means]


def _none(sub, draw):
    return sub.invoke(sub.make("RunningMean"), method="value")


RUNNING = _exercise(
    "class RunningMean()", ("tensor",),
    (("value", 2.0, _streams, _once, "batches of different sizes"),
     ("goes on", 1.0, _streams, _each, "after every batch; the rows are as they were"),
     ("two of them", 1.0, _streams, _two, "they share nothing"),
     ("no rows yet", 1.0, lambda rng: [{}], _none, "a ValueError")),
    ("What is kept?", "Sum and count.", "self.total"),
    {"last_only": "All batches.", "mean_of_means": "Larger batches weigh more.", "spoiled": "value() must change nothing.",
     "shared": "Keep it in self.", "nothing_raised": "Say that there is nothing yet.", "in_place": "That is not your x."},
)  # fmt: skip
RAN = """
class RunningMean:
    def __init__(self):
        self.total = torch.zeros(3)
        self.count = 0

    def update(self, x):
        total = x.sum(0)
        self.total = self.total + total
        self.count += len(x)

    def value(self):
        if self.count == 0:
            raise ValueError("no rows yet")
        return self.total / self.count
"""
RUNS = [
    Answer(RUNNING.id, "reference", RAN),
    Answer(RUNNING.id, "kept", '''
class Kept:
    rows = ()

    def update(self, x):
        self.rows = (*self.rows, *x.clone())


class RunningMean(Kept):
    def value(self):
        if not self.rows:
            raise ValueError
        return torch.stack(self.rows).mean(dim=0)
'''),
    Answer(RUNNING.id, "welford", '''
class RunningMean(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", None)
        self.n = 0

    def update(self, x):
        for row in x.double():
            self.n += 1
            self.mean = row if self.mean is None else self.mean + (row - self.mean) / self.n

    def value(self):
        if self.mean is None:
            raise ValueError("update comes first")
        return self.mean.float()
'''),
]  # fmt: skip
RUNS += [
    Answer(RUNNING.id, name, _edited(RAN, *edits), points)
    for name, points, *edits in (
        ("last_only", 1.0, ("self.total + total", "total"), ("count += len(x)", "count = len(x)")),
        ("mean_of_means", 1.0, ("x.sum(0)", "x.mean(0)"), ("+= len(x)", "+= 1")),
        ("spoiled", 4.0, ("return self.total / self.count", "return self.total.div_(self.count)")),
        ("shared", 4.0, ("self.", "RunningMean.")),
        ("nothing_raised", 4.0, ('raise ValueError("no rows yet")', "return self.total")),
        ("in_place", 4.0, ("        total = x.sum(0)\n        self.total = self.total + total\n",
                           "        x[0] += self.total\n        self.total = x.sum(0)\n")),
    )
]  # fmt: skip

EXERCISES = (TRAIN, MEANS, PRUNE, CAM, RUNNING)
ANSWERS = [*TRAINS, *MEANINGS, *PRUNES, *CAMS, *RUNS]
