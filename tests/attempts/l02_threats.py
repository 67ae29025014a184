"""Lesson 02: right answers in odd styles, typical slips, two slips at once, exceptions, wrong kinds."""

ROWS = {
    "wrong labels": ("training", "data", "whole classes"),
    "changed pixels": ("use", "road", "one input"),
    "marked copies": ("training", "data and road", "marked inputs"),
    "added module": ("delivery", "model and road", "marked inputs"),
    "damaged file": ("delivery", "model", "whole classes"),
}


def _table(**changed):
    """The table with rows changed, '_' for a blank."""
    return f"threat_table = {ROWS | {row.replace('_', ' '): cells for row, cells in changed.items()}!r}"


P = "def flip_labels(y, rate, classes, generator):\n"
N = "    n = round(rate * len(y))\n"
PERM = "    rows = torch.randperm(len(y), generator=generator)[:n]\n"
COPY = "    y2 = y.clone()\n"
STEP = "    y2[rows] = (y2[rows] + torch.randint(1, classes, (n,), generator=generator)) % classes\n"
BACK = "    return y2\n"
F = "def fgsm(model, x, y, epsilon):\n"
EVAL = "    was = model.training\n    model.eval()\n"
OWN = "    own = x.clone().requires_grad_()\n"
LOSS = "    loss = F.cross_entropy(model(own), y)\n"
GRAD = "    g = torch.autograd.grad(loss, own)[0]\n"
MODE = "    model.train(was)\n"
OUT = "    return (x + epsilon * g.sign()).clamp(0, 1)\n"
A = "def attack_success_rate(model, x, y, trigger, target):\n"
READ = "    with torch.no_grad():\n        read = model(trigger(x)).argmax(1)\n"
RATE = "    return (read[y != target] == target).float().mean().item()\n"

ATTEMPTS = [  # exercise, answer, points, what is said
    # --- threat_table: right ---
    ("threat_table", _table(), 3, "Next:"),
    ("threat_table", "threat_table = dict([" + ", ".join(f"({k!r}, {list(v)!r})" for k, v in ROWS.items()) + "])",
     3, "Next:"),
    ("threat_table", _table(wrong_labels=("Training", " data", "whole  classes")), 3, "Next:"),
    ("threat_table", "from collections import OrderedDict\n" + _table().replace("= ", "= OrderedDict(") + ")", 3, "Next:"),
    ("threat_table", "from collections import defaultdict\n" + _table().replace("= ", "= defaultdict(tuple, ") + ")", 3, "Next:"),
    ("threat_table", _table(marked_copies=("training", "road and data", "marked inputs")), 3, "Next:"),
    # --- threat_table: slips ---
    ("threat_table", _table(damaged_file=("use", "model", "whole classes")), 2, "on its way to the city"),
    ("threat_table", _table(wrong_labels=("delivery", "data", "whole classes")), 2, "act on what the reader learns from"),
    ("threat_table", _table(changed_pixels=("use", "data", "one input")), 2, "'data' is the training set"),
    ("threat_table", _table(wrong_labels=("training", "data", "one input")), 2, "not one"),
    ("threat_table", _table().replace("damaged file", "damaged files"), 0, "'damaged file' is missing"),
    ("threat_table", _table().replace("}", ", 'fog': ('use', 'road', 'one input')}"), 0, "'fog' is no attacker of the list"),
    ("threat_table", _table(changed_pixels=("training", "road", "one input")),
     2, "changes an input of the finished reader"),
    ("threat_table", _table(changed_pixels=("delivery", "road", "one input")),
     2, "changes an input of the finished reader"),
    ("threat_table", _table(added_module=("training", "model and road", "marked inputs")),
     2, "on the finished reader into"),
    ("threat_table", _table(added_module=("training", "model and road", "marked inputs"),
                            damaged_file=("training", "model", "whole classes")), 2, "on the finished reader into"),
    ("threat_table", _table(marked_copies=("use", "data and road", "marked inputs")), 2, "when the secret is called"),
    ("threat_table", _table(marked_copies=("training", "data", "marked inputs"),
                            added_module=("delivery", "model", "marked inputs")), 2, "two places"),
    ("threat_table", _table(added_module=("delivery", "data and road", "marked inputs")),
     2, "need not come by the data"),
    ("threat_table", _table(changed_pixels=("use", "model and road", "one input")), 2, "may need to *know* the reader"),
    ("threat_table", _table(damaged_file=("delivery", "model and road", "whole classes")), 2, "harm by themselves"),
    ("threat_table", _table(wrong_labels=("training", "data", "marked inputs")), 2, "There is no mark in wrong labels"),
    ("threat_table", _table(marked_copies=("training", "data and road", "whole classes")), 2, "show in the first test"),
    ("threat_table", _table(changed_pixels=("use", "road", "whole classes")), 2, "computed for one photo"),
    ("threat_table", _table(added_module=("delivery", "model and road", "one input")), 2, "works on every sign"),
    # --- threat_table: two at once, wrong kinds ---
    ("threat_table", _table(changed_pixels=("training", "model", "one input")),
     1, "changes an input of the finished reader"),
    ("threat_table", _table(added_module=("training", "data and road", "marked inputs")),
     1, "on the finished reader into"),
    ("threat_table", _table(wrong_labels=("data", "training", "whole classes")),
     1, "its phase is 'data', where one of"),
    ("threat_table", "threat_table = {'wrong labels': ('training', 'data', 'whole classes')}", 0, "'changed pixels' is missing"),
    ("threat_table", _table(damaged_file=("delivery", "model")), 0, "must hold three texts"),
    ("threat_table", "threat_table = ...", 0, ""),
    # --- flip_labels: right ---
    ("flip_labels", P + N + PERM + COPY + STEP + BACK, 3, "Next:"),
    ("flip_labels", P + "    y = y.clone()\n" + N + "    lots = torch.rand(len(y), generator=generator)\n"
     "    for i in lots.argsort()[:n].tolist():\n        c = int(torch.randint(classes - 1, (1,), generator=generator))\n"
     "        y[i] = c + (c >= y[i])\n    return y", 3, "Next:"),
    ("flip_labels", P + N + "    mask = torch.zeros(len(y), dtype=torch.bool)\n"
     "    mask[torch.randperm(len(y), generator=generator)[:n]] = True\n"
     "    other = (y + torch.randint(1, classes, y.shape, generator=generator)) % classes\n    return torch.where(mask, other, y)",
     3, "Next:"),
    # --- flip_labels: slips ---
    ("flip_labels", P + N + PERM + STEP.replace("y2", "y") + "    return y", 1, "y itself has changed"),
    ("flip_labels", P + N + PERM + COPY + "    y2[rows] = torch.randint(classes, (n,), generator=generator)\n" + BACK, 1,
     "A new label can be the old one"),
    ("flip_labels", P + N + PERM + COPY + "    y2[rows] = torch.randint(0, classes, (len(rows),), generator=generator)\n" + BACK, 1,
     "A new label can be the old one"),
    ("flip_labels", P + "    mask = torch.rand(len(y), generator=generator) < rate\n"
     "    other = (y + torch.randint(1, classes, y.shape, generator=generator)) % classes\n    return torch.where(mask, other, y)",
     1, "is left to chance"),
    ("flip_labels", P + N + "    rows = torch.randint(0, len(y), (n,), generator=generator)\n" + COPY + STEP + BACK, 1,
     "You draw rows with repetition"),
    ("flip_labels", P + N.replace("round", "int") + PERM + COPY + STEP + BACK, 1, "instead of rounding it"),
    ("flip_labels", P + N + PERM + COPY + "    y2[rows] = (y2[rows] + 1) % classes\n" + BACK,
     2, "Every class goes to one other"),
    ("flip_labels", P + N + PERM + COPY + STEP.replace("(n,)", "(1,)") + BACK, 2, "You draw one step for all rows"),
    ("flip_labels", P + N + PERM + COPY + STEP.replace("classes, (n", "max(classes - 1, 2), (n") + BACK, 2,
     "leaves its upper end out"),
    ("flip_labels", P + "    classes = int(y.max()) + 1\n" + N + PERM + COPY + STEP + BACK,
     2, "the largest label in y"),
    ("flip_labels", P + N + "    rows = torch.arange(n)\n" + COPY + STEP + BACK, 2, "lie in one stretch"),
    ("flip_labels", P + N + "    rows = torch.arange(len(y))[len(y) - n:]\n" + COPY + STEP + BACK,
     2, "lie in one stretch"),
    ("flip_labels", P + N + PERM.replace(", generator=generator", "") + COPY + STEP + BACK,
     2, "from a global generator"),
    ("flip_labels", P + "    generator.manual_seed(0)\n" + N + PERM + COPY + STEP + BACK, 1, "nothing is drawn from its state"),
    ("flip_labels", P + N + PERM + COPY + "    y2[rows] = y[rows[torch.randperm(n, generator=generator)]]\n" + BACK, 0,
     "You mix labels among the chosen rows"),
    ("flip_labels", P + "    n = -int(-rate * len(y) // 1)\n" + PERM + COPY + STEP + BACK, 1, "You round up"),
    ("flip_labels", P + N.replace("round", "int").replace("len(y))", "len(y) + 0.5)") + PERM + COPY + STEP + BACK, 1,
     "a half to the even neighbour"),
    ("flip_labels", P + "    return y.clone()\n", 0, "are the labels that came"),
    ("flip_labels", P + N + PERM + COPY + STEP + "    return y\n", 0, "are the labels that came"),
    ("flip_labels", P + "    n = round(rate) * len(y)\n" + PERM + COPY + STEP + BACK, 0, "before it is multiplied"),
    ("flip_labels", P + N + PERM + COPY + "    for i in rows:\n        there = y.unique()\n        there = there[there != y[i]]\n"
     "        y2[i] = there[torch.randint(len(there), (1,), generator=generator)]\n" + BACK, 2, "classes that occur in y"),
    ("flip_labels", P + N + PERM + COPY + STEP.replace(" % classes", "").replace("] = (", "] = 1 * (") + BACK, 0,
     "outside of 0..classes-1"),
    ("flip_labels", P + N + PERM + COPY + "    step = torch.randint(1, classes, (n,), generator=generator)\n"
     "    y2[rows] = torch.fmod(y[rows] - step, classes)\n" + BACK, 0, "outside of 0..classes-1"),
    ("flip_labels", P + N + PERM + COPY + "    new = torch.randint(classes, (n,), generator=generator)\n"
     "    y2[rows] = torch.where(new == y[rows], (new + 1) % classes, new)\n" + BACK, 2, "One step comes twice as often"),
    ("flip_labels", P + N + PERM + COPY + STEP.replace("1, classes", "1, classes + 1") + BACK, 1, "leads back"),
    ("flip_labels", P + N + PERM.replace("[:n]", "[n:]") + COPY + STEP.replace("(n,)", "(len(rows),)") + BACK, 1,
     "rows that were to stay"),
    ("flip_labels", P + COPY + "    for c in range(classes):\n        of = (y == c).nonzero()[:, 0]\n"
     "        rows = of[torch.randperm(len(of), generator=generator)[:round(rate * len(of))]]\n"
     + "    " + STEP.replace("(n,)", "(len(rows),)") + BACK, 1, "do not add up"),
    ("flip_labels", P + N + "    rows = y.argsort()[:n]\n" + COPY + STEP + BACK, 2, "depends on their labels"),
    ("flip_labels", P + N + "    rows = y.argsort(descending=True)[:n]\n" + COPY + STEP + BACK, 2, "depends on their labels"),
    ("flip_labels", P + N + "    rows = torch.linspace(0, len(y) - 1, n).round().long().unique()\n" + COPY + STEP + BACK, 2,
     "Another generator gives the same rows"),
    ("flip_labels", P + N + "    rows = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))[:n]\n" + COPY + STEP + BACK,
     2, "Another generator gives the same rows"),
    ("flip_labels", P + N + PERM + COPY + "    y2[rows] = (y[rows] + 1 + torch.arange(n) % (classes - 1)) % classes\n" + BACK, 2,
     "their new labels are not"),
    ("flip_labels", P + "    generator = torch.Generator().manual_seed(7)\n" + N + PERM + COPY + STEP + BACK, 1,
     "nothing is drawn from its state"),
    ("flip_labels", P + "    torch.manual_seed(generator.initial_seed())\n"
     + (N + PERM + COPY + STEP + BACK).replace(", generator=generator", ""), 2, "with it, not with its seed"),
    # --- flip_labels: exceptions, wrong kinds ---
    ("flip_labels", P + N + PERM + COPY + STEP, 0, "is a return missing?"),
    ("flip_labels", P + N + PERM + COPY + STEP + "    return y2.tolist()", 0, "must return a tensor of labels"),
    ("flip_labels", P + N + PERM + COPY + STEP + "    return y2.float()", 0, "must be int64"),
    ("flip_labels", P + N + PERM + COPY + STEP.replace("% classes", "% classess") + BACK, 0, "NameError"),
    # --- fgsm: right ---
    ("fgsm", F + EVAL + OWN + LOSS + GRAD + MODE + OUT, 4, "Next:"),
    ("fgsm", F + EVAL + OWN + LOSS.replace("y)", "y, reduction='sum')") + GRAD + MODE
     + "    return torch.clamp(x + torch.sign(g).mul(epsilon), min=0.0, max=1.0)", 4, "Next:"),
    ("fgsm", F + EVAL + "    params = [p.grad for p in model.parameters()]\n    for p in model.parameters():\n        p.grad = None\n"
     + OWN + LOSS + "    loss.backward()\n    g = own.grad\n    for p, old in zip(model.parameters(), params):\n"
     "        p.grad = old\n" + MODE + OUT, 4, "Next:"),
    # --- fgsm: slips ---
    ("fgsm", F + EVAL + OWN + LOSS + GRAD + MODE + OUT.replace("x + ", "x - "), 0, "You go down the loss"),
    ("fgsm", F + EVAL + OWN + LOSS + GRAD + MODE + OUT.replace("g.sign()", "g"), 0, "by the gradient itself"),
    ("fgsm", F + EVAL + OWN + LOSS + GRAD + MODE + OUT.replace("g.sign()", "g / g.flatten(1).norm(dim=1).view(-1, 1, 1, 1)"), 0,
     "by different amounts"),
    ("fgsm", F + EVAL + OWN + LOSS + GRAD + MODE + "    return x + epsilon * g.sign()", 3, "Pixels leave [0, 1]"),
    ("fgsm", F + OWN + LOSS + GRAD + OUT, 2, "in train mode, where batch norm"),
    ("fgsm", F + EVAL + OWN + "    loss = F.cross_entropy(model(own), model(x).argmax(1))\n" + GRAD + MODE + OUT, 0,
     "You go away from what the model reads"),
    ("fgsm", F + EVAL + OWN + "    loss = -model(own)[torch.arange(len(y)), y].sum()\n" + GRAD + MODE + OUT, 0,
     "You go down the logit of the true class"),
    ("fgsm", F + EVAL + OWN + LOSS + GRAD + MODE + OUT.replace("epsilon *", "epsilon / 2 *"),
     0, "but not by epsilon"),
    ("fgsm", F + EVAL + OWN + LOSS + GRAD + MODE + OUT.replace("epsilon *", "epsilon / 255 *"), 0, "but not by epsilon"),
    ("fgsm", F + EVAL + OWN + LOSS.replace("model(own)", "model(own).softmax(1)") + GRAD + MODE + OUT, 0,
     "You give cross_entropy probabilities"),
    ("fgsm", F + EVAL + OWN + LOSS + GRAD + MODE + "    return x + (epsilon * g.sign()).clamp(0, 1)", 0, "You cut off the change"),
    ("fgsm", F + EVAL + OWN + LOSS + GRAD + MODE + OUT.replace("g.sign()", "g / g.norm()"), 0, "by different amounts"),
    ("fgsm", F + EVAL + OWN + LOSS + GRAD + MODE + OUT.replace("g.sign()", "g / g.abs().max()"), 0, "by different amounts"),
    ("fgsm", F + EVAL + "    out = x.clone()\n    for _ in range(10):\n        out = out.detach().requires_grad_()\n"
     "        g = torch.autograd.grad(F.cross_entropy(model(out), y), out)[0]\n"
     "        out = (out + epsilon / 10 * g.sign()).clamp(0, 1)\n" + MODE + "    return out.detach()", 0, "several small steps"),
    ("fgsm", F + EVAL + OWN + LOSS + GRAD + MODE + "    return epsilon * g.sign()", 0, "You return the change alone"),
    ("fgsm", F + EVAL + OWN + LOSS + GRAD + MODE + "    x += epsilon * g.sign()\n    return x.clamp_(0, 1)",
     3, "changes x itself"),
    ("fgsm", F + EVAL + OWN + LOSS + "    loss.backward()\n    g = own.grad\n" + MODE + OUT,
     3, "Other gradients than before"),
    ("fgsm", F + EVAL + "    model.zero_grad()\n" + OWN + LOSS + "    loss.backward()\n    g = own.grad\n" + MODE + OUT, 3,
     "Other gradients than before"),
    ("fgsm", F + "    model.eval()\n" + OWN + LOSS + GRAD + OUT, 3, "stays in eval mode"),
    ("fgsm", F + "    model.eval()\n" + OWN + LOSS + GRAD + "    model.train()\n" + OUT,
     3, "into train mode at the end"),
    # --- fgsm: exceptions, wrong kinds ---
    ("fgsm", F + EVAL + "    loss = F.cross_entropy(model(x), y)\n    g = torch.autograd.grad(loss, x)[0]\n" + MODE + OUT, 0,
     "RuntimeError"),
    ("fgsm", F + EVAL + OWN + LOSS + GRAD.replace("[0]", "") + MODE + OUT, 0, "AttributeError"),
    ("fgsm", F + EVAL + OWN + LOSS + GRAD + MODE, 0, "is a return missing?"),
    ("fgsm", F + EVAL + OWN + LOSS + GRAD + MODE + OUT.replace("x + ", "x - ").replace(".clamp(0, 1)", ""), 0, ""),
    # --- attack_success_rate: right ---
    ("attack_success_rate", A + EVAL + READ + MODE + RATE, 5, "Next:"),
    ("attack_success_rate", A + "    keep = y.ne(target)\n    if not keep.any():\n        return float('nan')\n" + EVAL
     + "    with torch.inference_mode():\n        hit = model(trigger(x[keep])).max(1)[1].eq(target)\n" + MODE
     + "    return hit.sum().item() / keep.sum().item()", 5, "Next:"),
    ("attack_success_rate", A + EVAL + READ + MODE + "    pairs = [r == target for r, c in zip(read.tolist(), y.tolist()) if c != "
     "target]\n    return sum(pairs) / len(pairs) if pairs else float('nan')", 5, "Next:"),
    # --- attack_success_rate: slips ---
    ("attack_success_rate", A + EVAL + READ + MODE + "    return (read == target).float().mean().item()", 0,
     "You count images of the target class, too"),
    ("attack_success_rate", A + EVAL + READ + MODE + "    return ((read == target) & (y != target)).float().mean().item()", 0,
     "divide by all images"),
    ("attack_success_rate", A + EVAL + "    with torch.no_grad():\n        before = model(x).argmax(1)\n"
     "        read = model(trigger(x)).argmax(1)\n" + MODE + RATE.replace("y != target", "before != target"), 0,
     "what is *read* as the target"),
    ("attack_success_rate", A + EVAL + "    with torch.no_grad():\n        before = model(x).argmax(1)\n"
     "        read = model(trigger(x)).argmax(1)\n" + MODE + RATE.replace("y != target", "(y != target) & (before == y)"), 0,
     "You count only images that are read rightly"),
    ("attack_success_rate", A + EVAL + READ + MODE + RATE.replace("!=", "=="), 0, "it is the other way round"),
    ("attack_success_rate", A + EVAL + READ.replace("trigger(x)", "x") + MODE + RATE, 0, "about unmarked images"),
    ("attack_success_rate", A + EVAL + READ + MODE + "    m = y != target\n    return (read != y)[m].float().mean().item()", 0,
     "every marked image that is read wrongly"),
    ("attack_success_rate", A + EVAL + "    with torch.no_grad():\n        before = model(x).argmax(1)\n"
     "        read = model(trigger(x)).argmax(1)\n" + MODE + "    m = y != target\n"
     "    return (read != before)[m].float().mean().item()", 0, "whose answer the trigger changes"),
    ("attack_success_rate", A + READ + RATE, 3, "in train mode, where batch norm"),
    ("attack_success_rate", A + EVAL + READ + MODE + "    return ((read == target).sum() / (y != target).sum()).item()", 0,
     "You count the hits among *all* images"),
    ("attack_success_rate", A + EVAL + "    with torch.no_grad():\n        read = model(trigger(x[y != target])).argmax(0)\n" + MODE
     + "    return (read == target).float().mean().item()", 0, "argmax(0) finds for each class"),
    ("attack_success_rate", A + EVAL + READ + MODE + "    if not (y != target).all():\n        return float('nan')\n" + RATE, 0,
     "You return nan although"),
    ("attack_success_rate", A + EVAL + "    with torch.no_grad():\n        shares = model(trigger(x)).softmax(1)\n" + MODE
     + "    return shares[y != target, target].mean().item()", 0, "the mean of the target's probability"),
    ("attack_success_rate", A + EVAL + READ + MODE + RATE.replace("== target)", "== 0)"), 0, "You compare with class 0"),
    ("attack_success_rate", A + EVAL + READ + "        clean = model(x).argmax(1)\n" + MODE + "    m = y != target\n"
     "    return ((read == target)[m].float().mean() - (clean == target)[m].float().mean()).item()", 0, "You take off"),
    ("attack_success_rate", A + EVAL + "    keep = y != target\n    x[keep] = trigger(x[keep])\n"
     + READ.replace("trigger(x)", "x") + MODE + RATE, 4, "into x itself"),
    ("attack_success_rate", A + EVAL + "    if not (y != target).any():\n        return float('nan')\n" + READ + MODE + RATE, 4,
     "before the mode is set back"),
    ("attack_success_rate", A + EVAL + READ + MODE + RATE.replace(".float().mean()", ".sum()"),
     0, "You return how many"),
    ("attack_success_rate", A + EVAL + READ + MODE + RATE.replace("item()", "item() * 100"), 0, "These are per cent"),
    ("attack_success_rate", A + EVAL + READ + MODE + RATE.replace("== target).", "!= target)."), 0, "1 - ASR"),
    ("attack_success_rate", A + EVAL + READ + MODE + RATE.replace(".item()", ""), 4, "right, but a tensor"),
    ("attack_success_rate", A + EVAL + READ + MODE + "    hits = (read[y != target] == target).sum().item()\n"
     "    return hits / max(1, int((y != target).sum()))", 4, "nobody tried it"),
    ("attack_success_rate", A + "    model.eval()\n" + READ + RATE, 4, "stays in eval mode"),
    ("attack_success_rate", A + "    model.eval()\n" + READ + "    model.train()\n" + RATE,
     4, "into train mode at the end"),
    # --- attack_success_rate: exceptions, wrong kinds, two at once ---
    ("attack_success_rate", A + EVAL + READ + MODE + "    hits = (read[y != target] == target).sum().item()\n"
     "    return hits / int((y != target).sum())", 3, "ZeroDivisionError"),
    ("attack_success_rate", A + EVAL + READ + MODE, 0, "is a return missing?"),
    ("attack_success_rate", A + EVAL + READ.replace(".argmax(1)", "") + MODE + RATE, 0, ""),
    ("attack_success_rate", A + READ + "    return (read == target).float().mean().item()", 0, ""),
]  # fmt: skip
