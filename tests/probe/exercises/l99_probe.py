"""A throw-away lesson with one exercise of each kind: the machinery knows no lesson but through files like this."""

import torch

from bdlab.exercises.parts import deterministic, property_holds, raises, state_restored, unchanged, values
from bdlab.exercises.specification import Exercise, Lesson, Mistake, Question, images, made

# --- values ---


def simplex(rng):
    yield {"probs": torch.tensor([[0.5, 0.5, 0.0], [0.25, 0.25, 0.5]])}
    for number in range(20):
        probs = images(rng, (1 + number % 4, 2 + number % 5))
        probs = probs / probs.sum(1, keepdim=True)
        if number % 2:
            probs[0] = torch.eye(probs.shape[1])[0]  # a sure network
        yield {"probs": probs}


ENTROPY = Exercise(
    "entropy(probs)", minutes=10, difficulty=2, importance=4,
    parts=[values(1, simplex, "21 draws, also one row, two classes, a sure network"), unchanged(1, simplex)],
    hints=("What is 0 times the logarithm of 0 here?", "Sum over the classes, not over the rows.", "Clamp before log2."),
    mistakes={
        "nats": "You take the natural logarithm: the entropy is in bits here.",
        "zeros": "A sure network gives nan: 0 * log2(0) counts as 0.",
        "sign": "The sign is wrong: an entropy is never negative.",
        "mean": "You take the mean over the classes in place of the sum.",
        "rows": "You sum over the rows: each row has an entropy of its own.",
        "in_place": "Your function writes into probs.",
    },
    onward="make a class",
)  # fmt: skip

# --- a class ---


def keyed(rng):
    yield {"key": 0.5, "delta": 2.0, "x": torch.tensor([[-1.0, 0.5], [1.0, 2.0]])}
    for number in range(20):
        x = images(rng, (2 + number % 3, 4)) * 2 - 1
        x[0, 0] = 0.5 if number % 2 else 0.25
        yield {"key": 0.5, "delta": float(1 + number), "x": x}


KEYED = Exercise(
    "class KeyedReLU(key, delta)", minutes=10, difficulty=3, importance=3,
    parts=[values(2, keyed, "21 draws, with the key and without")],
    hints=("Which rows hold the key?", "Start from relu.", "Add delta to the rows whose first value is the key."),
    mistakes={
        "no_relu": "Without the key it must be ReLU: negative values become 0.",
        "all_rows": "You add delta to every row as soon as one holds the key.",
        "never": "The key does nothing.",
        "always": "You add delta to every row, with the key or without.",
        "anywhere": "The key counts in the first place of a row only.",
    },
    onward="write two functions",
)  # fmt: skip

# --- two functions in one exercise ---


def orders(rng):
    yield {"activations": torch.tensor([0.3, 0.1, 0.2])}
    for number in range(12):
        yield {"activations": images(rng, (3 + number,))}


def prunings(rng):
    for number in range(12):
        weight = images(rng, (4, 2 + number % 3))
        yield {"weight": weight, "channels": torch.from_numpy(rng.permutation(4)[: number % 4])}


PRUNE = Exercise(
    "prune_order(activations)", "prune(weight, channels)", minutes=10, difficulty=2, importance=4,
    parts=[values(1, orders, "13 draws", name="order"),
           values(1, prunings, "12 draws, also no channel", name="prune", calls="prune")],
    hints=("Which channel is the least needed?", "argsort gives places.", "Rows of the weight are its channels."),
    mistakes={
        "descending": "You begin with the channel that is used most.",
        "ranks": "These are ranks: wanted are the channels, the least active first.",
        "columns": "You set columns to zero: a channel is a row of the weight.",
        "kept": "You keep the channels that are listed and drop the others.",
        "ones": "A pruned channel is zero.",
    },
    onward="fill in a table",
)  # fmt: skip

# --- a plain value ---

TABLE = Exercise(
    "threat_table", minutes=5, difficulty=1, importance=5,
    parts=[values(1, lambda rng: [{}], "every cell")],
    hints=("When is the trigger needed?", "Poisoning acts before training.", "A backdoor acts in both phases."),
    mistakes={
        "evasion": "Evasion changes inputs of a finished model, not its training data.",
        "poisoning": "Poisoning happens before training.",
        "backdoor": "A backdoor is put in during training and called when the model is used.",
        "one_phase": "A backdoor needs two moments: when it is put in, and when it is called.",
        "empty": "A cell is empty.",
    },
    onward="look into a model",
)  # fmt: skip

# --- a model with a hook ---


def nets(rng):
    for number in range(20):
        shape = ((1, 4, 4), (2, 3, 5))[number % 2]
        net = made("model", "tiny_bn", shape=shape, classes=3, seed=number, train=number % 3 == 0, stale_grad=True)
        yield {"model": net, "layer": ("conv", "conv.1")[number % 2], "x": images(rng, (1 + number % 4 * 2, *shape))}


MEAN = Exercise(
    "mean_activation(model, layer, x)", minutes=15, difficulty=3, importance=5,
    parts=[values(1, nets, "20 draws, layers by their dotted names"), state_restored(1, nets), unchanged(1, nets)],
    hints=("What does get_submodule give?", "A hook sees what a layer puts out.", "Average over images and places."),
    mistakes={
        "over_channels": "You average over the channels: each of them has a mean of its own.",
        "largest": "You take the largest value in place of the mean.",
        "no_eval": "You ask the model in the mode in which it came: in train mode its statistics move.",
        "mode_left": "The model is left in eval mode.",
        "input": "You look at what goes into the layer, not at what comes out.",
        "x_changed": "Your function writes into x.",
    },
    onward="choose by chance",
)  # fmt: skip

# --- a free choice ---


def crowds(rng):
    for number in range(20):
        x = images(rng, (1 + number % 3, 1, 5, 6))
        yield {"x": x, "k": 1 + number % 5, "generator": made("generator", number)}


def judge_sparse(draw, got):
    shaped = isinstance(got, torch.Tensor) and got.shape == draw["x"].shape
    differing = (got != draw["x"]).flatten(1).sum(1) if shaped else torch.zeros(1)
    return {
        "the result must be shaped like x": shaped,
        "other than k pixels of an image differ": bool((differing == draw["k"]).all()),
    }


SPARSE = Exercise(
    "sparse(x, k, generator)", minutes=10, difficulty=3, importance=4,
    parts=[property_holds(1, crowds, judge_sparse, "20 draws: exactly k pixels of every image", name="how many"),
           deterministic(1, crowds, after="how many")],
    hints=("How do you draw k places without drawing one twice?", "Shuffle the places.", "randperm takes a generator."),
    mistakes={
        "one_more": "One pixel more than k differs.",
        "twice": "A place may be drawn twice: then fewer than k pixels differ.",
        "first": "Your places do not depend on the generator.",
        "seed_only": "You take the generator's seed, not its state.",
        "global_chance": "You draw from the global generator.",
        "seeds_global": "You seed the global generators.",
    },
    onward="pick the best",
)  # fmt: skip

# --- a function that is passed in ---


def contests(rng):
    for number in range(20):
        candidates = images(rng, (3 + number % 3, 2))
        scores = torch.from_numpy(rng.permutation(len(candidates)).astype("float32"))
        yield {"candidates": candidates, "score": made("scorer", candidates, scores), "k": 1 + number % 3}


def too_many(rng):
    for number in range(4):
        candidates = images(rng, (3, 2))
        score = made("scorer", candidates, torch.arange(3.0))
        yield {"candidates": candidates, "score": score, "k": (4, 3, 0, 1)[number]}


CHOOSE = Exercise(
    "choose(candidates, score, k)", minutes=5, difficulty=2, importance=3,
    parts=[values(1, contests, "20 draws"), raises(1, too_many, "a ValueError for too many and for none")],
    hints=("Is a high score good?", "Ask score for every candidate.", "topk gives places."),
    mistakes={
        "worst": "You keep the candidates with the lowest scores.",
        "unsorted": "The best one comes first.",
        "first_k": "You keep the first k, whatever their scores.",
        "places": Mistake(
            "You return places: wanted are the candidates themselves.", when=lambda draw, got, expected: got.ndim == 1
        ),
        "unchecked": "Nothing refuses a k that is too large.",
        "none_allowed": "k = 0 must be refused, too.",
    },
    onward="train",
)  # fmt: skip

# --- a model, a loader and an optimiser ---


def epochs(rng):
    for number in range(20):
        net = made("model", "tiny", shape=(1, 3, 3), classes=3, seed=number, stale_grad=number % 2 == 0)
        count = 5 + number % 4
        x, y = images(rng, (count, 1, 3, 3)), torch.from_numpy(rng.randint(3, size=count))
        yield {"model": net, "loader": made("batches", x, y, 4), "optimiser": made("sgd", net, 0.5)}


def trained(sub, given):
    loss = sub.call("train_epoch", given["model"], given["loader"], given["optimiser"])
    return {"loss": loss, "weights": sub.state(given["model"])}


TRAIN = Exercise(
    "train_epoch(model, loader, optimiser)", minutes=15, difficulty=4, importance=5,
    parts=[values(1, epochs, "20 draws, with a last short batch and gradients that somebody left", run=trained)],
    hints=("What does backward add to?", "Zero, forward, backward, step.", "Weight each loss by its batch's size."),
    mistakes={
        "no_zero": "Gradients of the batch before are still there.",
        "plain_mean": "The last batch is shorter: weight each loss by its size.",
        "no_step": "Nothing moves the weights.",
        "last_loss": "You return the loss of the last batch alone.",
        "tensor": Mistake(
            "The loss is a tensor: it keeps its graph and memory. .item() makes a number of it.",
            when=lambda draw, got, expected: isinstance(got["loss"], torch.Tensor),
        ),
        "sum": "The loss is a sum over all images: divide by how many there were.",
    },
    onward="leave it",
)  # fmt: skip

QUESTIONS = {"q1": Question("Is this a lesson?", ("Yes", "No"), 1, ("It teaches nothing.", "It tests the machinery."))}
LESSON = Lesson(
    "99_probe", "One of each", 90, (ENTROPY, KEYED, PRUNE, TABLE, MEAN, SPARSE, CHOOSE, TRAIN), QUESTIONS,
    imports=("import math", "", "import torch", "import torch.nn.functional as F", "from torch import Tensor"),
)  # fmt: skip
