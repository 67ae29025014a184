"""Wrong answers of lesson 02: each is the reference with a few characters changed, and the parts that it loses."""

from autograder.authoring.wrong import edit

PIXELS = '"changed pixels": ("use", "road", "one input")'
COPIES = '"marked copies": ("training", "data and road", "marked inputs")'
MODULE = '"added module": ("delivery", "model and road", "marked inputs")'
FILE = '"damaged file": ("delivery", "model", "whole classes")'
LABELS = '"wrong labels": ("training", "data", "whole classes")'
COUNT = "round(rate * len(y))"
ORDER = "torch.randperm(len(y), generator=generator)[: round(rate * len(y))]"
STEPS = "torch.randint(1, classes, (len(rows),), generator=generator)"
ANSWER = "(read == target)[others]"


def _row(old, at, new, loses):
    """The row `old` with one word changed."""
    words = old.partition("(")[2].rstrip(")").split(", ")
    changed = ", ".join(f'"{new}"' if place == at else word for place, word in enumerate(words))
    return edit(old, old.partition("(")[0] + f"({changed})", loses=loses)


class threat_table:
    evasion_trains = _row(PIXELS, 0, "training", "phase")
    all_in_training = _row(MODULE, 0, "training", "phase")
    called_in_use = _row(COPIES, 0, "use", "phase")
    file_in_use = _row(FILE, 0, "use", "phase")
    labels_later = _row(LABELS, 0, "delivery", "phase")
    pixels_are_data = _row(PIXELS, 1, "data", "needs")
    labels_once = _row(LABELS, 2, "one input", "scope")
    road_forgotten = _row(COPIES, 1, "data", "needs")
    always_data = _row(MODULE, 1, "data and road", "needs")
    knows_the_model = _row(PIXELS, 1, "model", "needs")
    road_everywhere = _row(LABELS, 1, "data and road", "needs")
    poison_marks = _row(LABELS, 2, "marked inputs", "scope")
    backdoor_everywhere = _row(COPIES, 2, "whole classes", "scope")
    evasion_everywhere = _row(PIXELS, 2, "whole classes", "scope")
    backdoor_once = _row(MODULE, 2, "one input", "scope")


class flip_labels:
    in_place = edit("y.clone()", "y", loses="how many")
    own_class = edit("randint(1, classes", "randint(0, classes", loses="how many")
    coin = edit(ORDER, "(torch.rand(len(y), generator=generator) < rate).nonzero().flatten()", loses="how many")
    twice = edit(ORDER, "torch.randint(len(y), (round(rate * len(y)),), generator=generator)", loses="how many")
    truncates = edit("round(rate", "int(rate", loses="how many")
    shuffled = edit("(y[rows] + step) % classes", "y[rows[torch.randperm(len(rows), generator=generator)]]", loses="how many, spread")
    all_rows = edit("flipped[rows] =", "flipped = (flipped + 1) % classes\n    flipped[rows] =", loses="how many, spread")
    next_class = edit("+ step", "+ 1", loses="spread")
    one_step = edit("(len(rows),), gen", "(1,), gen", loses="spread")
    last_never = edit("randint(1, classes,", "randint(1, max(2, classes - 1),", loses="spread")
    largest_label = edit("classes", "(int(y.max()) + 1)", count=2, loses="spread")
    only_those_there = edit("flipped[rows] = (y[rows] + step) % classes", """there = y.unique()
    others = (there[None] != y[rows, None]).double()
    if len(there) > 1:
        flipped[rows] = there[torch.multinomial(others, 1, generator=generator)[:, 0]]
    else:
        flipped[rows] = (y[rows] + step) % classes""", loses="spread")
    first_rows = edit(ORDER, "torch.arange(round(rate * len(y)))", loses="spread")
    global_chance = edit("len(y), generator=generator", "len(y)", loses="at random")
    seed_only = edit("rows = ", "generator = torch.Generator().manual_seed(generator.initial_seed())\n    rows = ", loses="at random")


    nothing = edit("flipped[rows] =", "y.clone()[rows] =", loses="how many, spread")
    outside = edit(" % classes", "", loses="how many, spread")
    rounded_rate = edit(COUNT, "round(rate) * len(y)", loses="how many, spread")
    up = edit(COUNT, "-int(-rate * len(y) // 1)", loses="how many")
    stay = edit(f"[: {COUNT}]", f"[{COUNT} :]", loses="how many")
    each_class = edit(ORDER, """torch.cat([
        rows[torch.randperm(len(rows), generator=generator)[: round(rate * len(rows))]]
        for rows in ((y == label).nonzero()[:, 0] for label in range(classes))
    ])""", loses="how many")
    moved_on = edit(STEPS, STEPS.replace("1, ", "0, ", 1) + ".clamp_min(1)", loses="spread")
    by_class = edit(ORDER, f"y.argsort()[: {COUNT}]", loses="spread")
    own_seed = edit("rows = ", "generator = torch.Generator().manual_seed(0)\n    rows = ", loses="spread, at random")
    same_rows = edit("randperm(len(y), generator=generator)", "randperm(len(y), generator=torch.Generator().manual_seed(0))", loses="spread")
    same_steps = edit(STEPS, "1 + torch.arange(len(rows)) % (classes - 1)", loses="spread")

class fgsm:
    minus = edit("x + epsilon", "x - epsilon", loses="values")
    not_clipped = edit(".clamp(0, 1)", "", loses="modes and ends")
    no_eval = edit("model.eval()", "pass", loses="modes and ends, state restored")
    own_answer = edit("model(moved), y", "model(moved), model(x).argmax(1)", loses="values")
    logit = edit("F.cross_entropy(model(moved), y)", "-model(moved)[torch.arange(len(y)), y].sum()", loses="values")
    half_step = edit("x + epsilon", "x + epsilon / 2", loses="values")
    softmax = edit("model(moved), y", "model(moved).softmax(1), y", loses="values")
    change_cut = edit("(x + epsilon * slope.sign()).clamp(0, 1)", "x + (epsilon * slope.sign()).clamp(0, 1)", loses="values")
    many_steps = edit("x + epsilon", "x + epsilon / 10", "model.train(training)", """for _ in range(9):
        x = (x + epsilon / 10 * slope.sign()).clamp(0, 1)
        moved = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(F.cross_entropy(model(moved), y), moved)
    model.train(training)""", loses="values")  # fmt: skip
    uneven = edit("slope.sign()", "(slope / slope.norm())", loses="values")
    change_alone = edit("(x + epsilon * slope.sign()).clamp(0, 1)", "epsilon * slope.sign()", loses="values")
    in_place = edit("return (x + epsilon * slope.sign()).clamp(0, 1)", "return x.add_(epsilon * slope.sign()).clamp_(0, 1)", loses="modes and ends")
    backward = edit("(slope,) = torch.autograd.grad(loss, moved)", "loss.backward()\n    slope = moved.grad", loses="state restored")
    mode_left = edit("model.train(training)", "pass", loses="state restored")
    mode_train = edit("model.train(training)", "model.train()", loses="state restored")


class attack_success_rate:
    target_counted = edit("[others]", "", loses="values")
    all_divided = edit(ANSWER, "((read == target) & others)", loses="values")
    read_as_target = edit("read = model", "others = model(x).argmax(1) != target\n        read = model", loses="values")
    only_read_rightly = edit("read = model", "others = others & (model(x).argmax(1) == y)\n        read = model", loses="values")
    target_only = edit("y != target", "y == target", loses="values")
    unmarked = edit("trigger(x)", "x", loses="values")
    any_error = edit("read == target", "read != y", loses="values")
    changed = edit("read = model", "before = model(x).argmax(1)\n        read = model", "read == target", "read != before", loses="values")
    no_eval = edit("model.eval()", "pass", loses="all cases, state restored")
    counts = edit(".double().mean()", ".double().sum()", loses="values")
    percent = edit(".item()", ".item() * 100", loses="values")
    rest = edit("return (", "return 1 - (", loses="values")
    tensor = edit(".item()", "", loses="all cases")
    wrong_denominator = edit(f"{ANSWER}.double().mean()", "((read == target).double().sum() / others.sum())", loses="values")
    rows = edit("(trigger(x)).argmax(1)", "(trigger(x[others])).argmax(0)", ANSWER, "(read == target)", loses="values")
    never_none = edit("return (", "return float('nan') if not others.all() else (", loses="values")
    mean_share = edit(".argmax(1)", ".softmax(1)[:, target]", "read == target", "read", loses="values")
    class_0 = edit("read == target", "read == 0", loses="values")
    less_clean = edit("read = model", "before = model(x).argmax(1)\n        read = model", ".double().mean()",
                      ".double().mean().sub((before == target)[others].double().mean())", loses="values")  # fmt: skip
    overwrites = edit("(trigger(x))", "(x.copy_(trigger(x)))", loses="all cases")
    mode_for_none = edit("model.train(training)", "if others.any():\n        model.train(training)", loses="state restored")
    zero_for_none = edit("return (", "return 0.0 if not others.any() else (", loses="all cases")
    mode_left = edit("model.train(training)", "pass", loses="state restored")
    mode_train = edit("model.train(training)", "model.train()", loses="state restored")
