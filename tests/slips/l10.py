"""Lesson 10, fine-pruning: mean activations, the order and the pruning, how far to prune, fine-tuning what is left."""

import torch

from bdlab.exercises.parts import state_restored, values
from bdlab.exercises.specification import images, made
from slips import row, slip


def _data(rng, count):
    return made("batches", images(rng, (count, 1, 4, 4)), torch.arange(count) % 3, 4)


def nets(rng):
    for seed in (0, 1, 2):
        net = made("model", "tiny_bn", shape=(1, 4, 4), classes=3, seed=seed, train=True)
        yield {"model": net, "layer": "conv", "loader": _data(rng, 5 + seed)}


def orders(rng):
    for count in (3, 5, 6):
        yield {"activations": images(rng, (count,))}


def prunings(rng):
    for seed in (0, 1, 2):
        net = made("model", "tiny_bn", shape=(1, 4, 4), classes=3, seed=seed)
        channels = torch.from_numpy(rng.permutation(6)[: 1 + seed])
        yield {"model": net, "channels": channels, "_x": images(rng, (3, 1, 4, 4))}


def pruned_answers(sub, given):
    return sub.invoke(sub.call("prune", given["model"], given["channels"]), given["_x"])


CURVES = ([0.5, 0.48, 0.46, 0.44, 0.3], [0.8, 0.79, 0.73, 0.72, 0.6], [0.9, 0.84, 0.89, 0.88, 0.8])


def curves(rng):
    for curve in CURVES:
        order = torch.from_numpy(rng.permutation(4))
        keys = torch.ones(5, 4)
        for count in range(5):
            keys[count, order[:count]] = 0
        accuracy = made("scorer", keys, torch.tensor(curve, dtype=torch.float64))
        yield {"accuracy": accuracy, "order": order, "max_drop": 0.05}


def repairs(rng):
    for seed in (0, 1, 2):
        net = made("model", "tiny", shape=(1, 4, 4), classes=3, seed=seed)
        yield {"model": net, "channels": torch.arange(2 + seed), "loader": _data(rng, 8), "lr": 0.5}


def repaired(sub, given):
    return sub.state(sub.call("fine_prune", *(given[name] for name in ("model", "channels", "loader", "lr"))))


SLIPS = [
    row("l10", "mean_activation(model, layer, loader)", parts=[values(2, nets, "3 draws"), state_restored(1, nets)],
        reference="""
def mean_activation(model, layer, loader):
    found = []
    hook = lambda module, given, out: found.append(out.mean((2, 3)))
    handle = model.get_submodule(layer).register_forward_hook(hook)
    training = model.training
    model.eval()
    with torch.no_grad():
        for x, y in loader:
            model(x)
    model.train(training)
    handle.remove()
    return torch.cat(found).mean(0)
""",
        before_relu=slip("You look at what comes before the ReLU.", "get_submodule(layer)", 'get_submodule(layer + ".1")'),
        train_mode=slip("Ask in eval mode: in train mode batch norm takes other statistics.", "model.eval()", "pass"),
        batch_means=slip("The last batch is shorter: a mean of batch means counts its images more.",
                         "torch.cat(found).mean(0)", "torch.stack([one.mean(0) for one in found]).mean(0)"),
        places_kept=slip("Average over the places, too.", "found.append(out.mean((2, 3)))", "found.append(out)")),
    row("l10", "prune_order(activations)", "prune(model, channels)",
        parts=[values(1, orders, "3 draws", name="order"),
               values(1, prunings, "3 draws", name="prune", run=pruned_answers, calls="prune"),
               state_restored(1, prunings, calls="prune", after="prune")], reference="""
def prune_order(activations):
    return activations.argsort()

def prune(model, channels):
    pruned = copy.deepcopy(model)
    conv, norm = pruned.conv[0], pruned.conv[1]
    for tensor in (conv.weight, conv.bias, norm.weight, norm.bias):
        tensor.data[channels] = 0
    return pruned
""",
        descending=slip("You begin with the channel that is used most.", "argsort()", "argsort(descending=True)",
                        loses="order"),
        weight_only=slip("The weights are zero, and what bias and batch norm add still comes through.",
                         "(conv.weight, conv.bias, norm.weight, norm.bias)", "(conv.weight,)", loses="prune"),
        in_place=slip("You prune the model that came in: prune a copy.", "copy.deepcopy(model)", "model",
                      loses="state restored")),
    row("l10", "prune_until(accuracy, order, max_drop)", parts=[values(1, curves, "3 draws")], reference="""
def prune_until(accuracy, order, max_drop):
    keep = torch.ones(len(order))
    start, good = accuracy(keep), keep.clone()
    for channel in order:
        keep[channel] = 0
        if start - accuracy(keep) > max_drop:
            break
        good = keep.clone()
    return good
""",
        first_bad=slip("You give back the first mask that is too bad: the last good one is wanted.", "return good",
                       "return keep"),
        last_step=slip("You compare with the step before: compare with the start.", "start - accuracy",
                       "accuracy(good) - accuracy"),
        relative=slip("Your drop is relative: max_drop is in points of accuracy.", "(keep) > max_drop",
                      "(keep) > max_drop * start")),
    row("l10", "fine_prune(model, channels, loader, lr)",
        parts=[values(2, repairs, "3 draws", run=repaired), state_restored(1, repairs)], reference="""
def fine_prune(model, channels, loader, lr):
    tuned = copy.deepcopy(model)
    weight = tuned.conv[0].weight
    weight.data[channels] = 0
    for x, y in loader:
        tuned.zero_grad()
        F.cross_entropy(tuned(x), y).backward()
        with torch.no_grad():
            for one in tuned.parameters():
                one -= lr * one.grad
            weight[channels] = 0
    return tuned
""",
        tuned_first=slip("You tune first and prune then: the tuning must mend what the pruning broke.",
                         "    weight.data[channels] = 0\n", "", "            weight[channels] = 0\n    return",
                         "    weight.data[channels] = 0\n    return"),
        mask_lost=slip("Pruned weights come back while you tune: keep them at zero after each step.",
                       "            weight[channels] = 0\n", ""),
        input_trained=slip("You train the model that came in: work on a copy.", "copy.deepcopy(model)", "model",
                           loses="state restored")),
]  # fmt: skip
