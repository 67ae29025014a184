"""Lesson 10: right answers in odd styles, typical slips, two slips at once, exceptions, wrong kinds."""

M = "def mean_activation(model, layer, x):\n"
HOOK = "    seen = []\n    h = model.get_submodule(layer).register_forward_hook(lambda m, i, o: seen.append(o.detach()))\n"
RUN = "    was = model.training\n    model.eval()\n    model(x)\n    model.train(was)\n    h.remove()\n"
O = "def prune_order(activations):\n    return activations.argsort(stable=True)\n"  # noqa: E741
P = "def prune(model, layer, channels):\n    net = copy.deepcopy(model)\n"
MUTE = "    def mute(m, i, o):\n        o = o.clone()\n        o[:, channels] = 0\n        return o\n"
SET = "    net.get_submodule(layer).register_forward_hook(mute)\n"
U = "def prune_until(accuracy, order, drop):\n    keep = torch.ones(len(order))\n    start = accuracy(keep)\n"
F = "def fine_prune(model, layer, channels, batches, epochs, lr):\n    net = copy.deepcopy(model)\n"
OPT = "    opt = torch.optim.SGD(net.parameters(), lr=lr)\n    net.train()\n"
TRAIN = "    for _ in range(epochs):\n        for x, y in batches:\n"
STEP = "            opt.zero_grad()\n            F.cross_entropy(net(x), y).backward()\n            opt.step()\n"
GIVE = "    net.eval()\n    return net"

ATTEMPTS = [  # exercise, answer, points, what is said
    # --- mean_activation: right ---
    ("mean_activation", M + HOOK + RUN + "    return seen[0].mean(dim=(0, 2, 3))", 3, "Next:"),
    ("mean_activation", M + HOOK + RUN + "    a = seen[0]\n    return torch.stack([a[:, c].mean() for c in range(a.shape[1])])", 3, "Next:"),
    ("mean_activation", M + HOOK + RUN + "    return torch.einsum('nchw->c', seen[0]) / (seen[0].numel() / seen[0].shape[1])", 3, "Next:"),
    ("mean_activation", M + HOOK + RUN + "    return torch.from_numpy(seen[0].numpy().mean((0, 2, 3)))", 3, "Next:"),
    # --- mean_activation: slips ---
    ("mean_activation", M + HOOK + RUN + "    return seen[0].mean((2, 3))", 0, "You give a row for each image"),
    ("mean_activation", M + HOOK + RUN + "    return seen[0].mean(0)", 0, "keep the places of the map"),
    ("mean_activation", M + HOOK + RUN + "    return seen[0].mean()", 0, "You give one number for all channels"),
    ("mean_activation", M + HOOK + RUN + "    return seen[0].sum((2, 3)).mean(0)", 0, "You sum over the places"),
    ("mean_activation", M + HOOK + RUN + "    return seen[0].amax((2, 3)).mean(0)", 0, "You take the highest value"),
    ("mean_activation", M + HOOK + RUN + "    return (seen[0] > 0).float().mean((0, 2, 3))", 0, "You give the share of places"),
    ("mean_activation", M + HOOK + RUN + "    return seen[0][:1].mean((0, 2, 3))", 0, "those of the first image alone"),
    ("mean_activation", M + HOOK + "    model(x)\n    h.remove()\n    return seen[0].mean((0, 2, 3))", 0, "only where the model came in train mode"),
    ("mean_activation", M + HOOK.replace("(layer)", "(layer)[1]") + RUN + "    return seen[0].mean((0, 2, 3))", 0, "what comes before the ReLU"),
    ("mean_activation", M + HOOK.replace("(layer)", "(layer)[0]") + RUN + "    return seen[0].mean((0, 2, 3))", 0, "the convolution alone"),
    ("mean_activation", M + HOOK + "    model.eval()\n    model(x)\n    h.remove()\n    return seen[0].mean((0, 2, 3))", 2, "stays in eval mode"),
    ("mean_activation", M + "    return model(x).mean(0)", 0, "shape"),
    ("mean_activation", M + "    return model.layer(x).mean((0, 2, 3))", 0, "AttributeError"),
    ("mean_activation", M + HOOK + RUN + "    return seen[0].mean((0, 2, 3)).tolist()", 0, "list"),
    # --- prune_order and prune: right ---
    ("prune_order", O + P + MUTE + SET + "    return net", 4, "Next:"),
    ("prune_order", "import numpy as np\ndef prune_order(activations):\n    return torch.from_numpy(np.argsort(activations.numpy(), kind='stable'))\n"
     + P + "    net.get_submodule(layer).register_forward_hook(lambda m, i, o: o.index_fill(1, channels, 0))\n    return net", 4, "Next:"),
    ("prune_order", O + P + "    conv, norm = net.get_submodule(layer)[0], net.get_submodule(layer)[1]\n    with torch.no_grad():\n"
     "        conv.weight[channels] = 0\n        conv.bias[channels] = 0\n        norm.weight[channels] = 0\n        norm.bias[channels] = 0\n    return net", 4, "Next:"),
    # --- prune_order and prune: slips ---
    ("prune_order", O.replace("stable=True", "descending=True, stable=True") + P + MUTE + SET + "    return net", 3, "begins with the channel that is used most"),
    ("prune_order", O.replace("argsort(stable=True)", "argsort(stable=True).argsort(stable=True)") + P + MUTE + SET + "    return net", 3, "its rank"),
    ("prune_order", O.replace("argsort(stable=True)", "sort().values") + P + MUTE + SET + "    return net", 3, "float32"),
    ("prune_order", O + P + "    net.get_submodule(layer)[0].weight.data[channels] = 0\n    return net", 1, "batch norm behind it still adds its shift"),
    ("prune_order", O + P + "    net.get_submodule(layer)[1].weight.data[channels] = 0\n    return net", 1, "its bias still comes through"),
    ("prune_order", O + P + MUTE + "    return net", 1, "answers as the model did"),
    ("prune_order", O + P + MUTE.replace("        return o\n", "") + SET + "    return net", 1, "answers as the model did"),
    ("prune_order", O + P + MUTE.replace("o[:, channels] = 0", "o[:, :len(channels)] = 0") + SET + "    return net", 1, "silence the first channels"),
    ("prune_order", O + P + MUTE.replace("o[:, channels] = 0", "o[:, channels] *= .5") + SET + "    return net", 1, "only weaker"),
    ("prune_order", O + P.replace("copy.deepcopy(model)", "model") + MUTE + SET + "    return net", 3, "the model that came in is pruned, too"),
    ("prune_order", O + P.replace("copy.deepcopy(model)", "copy.copy(model)") + MUTE + SET + "    return net", 3, "copy.copy shares the stages"),
    ("prune_order", O + P + MUTE.replace("o[:, channels] = 0", "o[channels] = 0") + SET + "    return net", 1, ""),
    ("prune_order", O + P + MUTE + SET, 1, "is a return missing"),
    ("prune_order", O, 0, "prune is not defined"),
    # --- prune_until: right ---
    ("prune_until", U + "    n = 0\n    for c in order[:-1]:\n        keep[c] = 0\n        if accuracy(keep) < start - drop:\n            break\n        n += 1\n    return n", 3, "Next:"),
    ("prune_until", U + "    for n in range(1, len(order)):\n        k = torch.ones(len(order)).index_fill(0, order[:n], 0.)\n"
     "        if float(start) - float(accuracy(k)) > drop:\n            return n - 1\n    return len(order) - 1", 3, "Next:"),
    ("prune_until", U + "    def fall(n):\n        if n == len(order) - 1:\n            return n\n        keep[order[n]] = 0\n"
     "        return n if start - accuracy(keep) > drop else fall(n + 1)\n    return fall(0)", 3, "Next:"),
    # --- prune_until: slips ---
    ("prune_until", U + "    for n, c in enumerate(order[:-1]):\n        keep[c] = 0\n        if start - accuracy(keep) > drop:\n            return n + 1\n    return len(order) - 1", 0, "the channel that is too much"),
    ("prune_until", U + "    for n, c in enumerate(order[:-1]):\n        keep[c] = 0\n        if start - accuracy(keep) >= drop:\n            return n\n    return len(order) - 1", 0, "met exactly"),
    ("prune_until", U + "    for n, c in enumerate(order):\n        keep[c] = 0\n        if start - accuracy(keep) > drop:\n            return n\n    return len(order)", 0, "One always stays"),
    ("prune_until", U + "    for n, c in enumerate(order[:-1]):\n        keep[c] = 0\n        if (start - accuracy(keep)) / start > drop:\n            return n\n    return len(order) - 1", 0, "share of the accuracy"),
    ("prune_until", U + "    for n, c in enumerate(order[:-1]):\n        keep[c] = 0\n        now = accuracy(keep)\n        if start - now > drop:\n            return n\n        start = now\n    return len(order) - 1", 0, "the step before"),
    ("prune_until", U + "    best = 0\n    for n, c in enumerate(order[:-1]):\n        keep[c] = 0\n        if start - accuracy(keep) <= drop:\n            best = n + 1\n    return best", 2, "the last count whose accuracy is good enough"),
    ("prune_until", U + "    for n, c in enumerate(order[:-1]):\n        keep[c] = 0\n        start = max(start, accuracy(keep))\n        if start - accuracy(keep) > drop:\n            return n\n    return len(order) - 1", 2, "the best accuracy so far"),
    ("prune_until", U + "    for n, c in enumerate(order[:-1]):\n        keep[c] = 0\n        if accuracy(keep) < drop:\n            return n\n    return len(order) - 1", 0, "the accuracy itself with a bar"),
    ("prune_until", U + "    fallen = []\n    for c in order[:-1]:\n        keep[c] = 0\n        if start - accuracy(keep) > drop:\n            break\n        fallen.append(int(c))\n    return fallen", 0, "a number, not which"),
    ("prune_until", U + "    for n, c in enumerate(order.flip(0)[:-1]):\n        keep[c] = 0\n        if start - accuracy(keep) > drop:\n            return n\n    return len(order) - 1", 0, "in no such order"),
    ("prune_until", U.replace("torch.ones", "torch.zeros") + "    return 0", 0, "the result is 0, expected 2"),
    ("prune_until", U + "    for n, c in enumerate(order[:-1]):\n        keep = torch.ones(len(order))\n        keep[c] = 0\n        if start - accuracy(keep) > drop:\n            return n\n    return len(order) - 1", 0, "in no such order"),
    ("prune_until", U + "    print(start)", 0, "the result is None"),
    # --- fine_prune: right ---
    ("fine_prune", F + MUTE + SET + OPT + TRAIN + STEP + GIVE, 5, "Next:"),
    ("fine_prune", F + MUTE + SET + "    for _ in range(epochs):\n        for x, y in batches:\n            net.train()\n            net.zero_grad()\n"
     "            loss = F.nll_loss(net(x).log_softmax(1), y)\n            loss.backward()\n            with torch.no_grad():\n"
     "                for w in net.parameters():\n                    w -= lr * w.grad\n    return net.eval()", 5, "Next:"),
    ("fine_prune", F + "    net.get_submodule(layer).register_forward_hook(lambda m, i, o: o.index_fill(1, channels, 0))\n" + OPT + TRAIN + STEP + GIVE, 5, "Next:"),
    # --- fine_prune: slips ---
    ("fine_prune", F + OPT + TRAIN + STEP + MUTE + SET + GIVE, 0, "You train first and prune then"),
    ("fine_prune", F + OPT + TRAIN + STEP + GIVE, 0, "nothing falls"),
    ("fine_prune", F + MUTE + SET + OPT + TRAIN + STEP.replace("            opt.zero_grad()\n", "") + GIVE, 0, "Gradients of earlier steps"),
    ("fine_prune", F + MUTE + SET + OPT.replace("    net.train()\n", "    net.eval()\n") + TRAIN + STEP + GIVE, 0, "You train in eval mode"),
    ("fine_prune", F + MUTE + SET + OPT + TRAIN + STEP + "    return net", 0, "in train mode"),
    ("fine_prune", F + MUTE + SET + OPT + "    if True:\n        for x, y in batches:\n" + STEP + GIVE, 0, "once"),
    ("fine_prune", F + MUTE + SET + OPT.replace("lr=lr", "lr=lr, momentum=.9") + TRAIN + STEP + GIVE, 0, "with momentum"),
    ("fine_prune", F + MUTE + SET + OPT.replace("SGD", "Adam") + TRAIN + STEP + GIVE, 0, "with Adam"),
    ("fine_prune", F + MUTE + SET + OPT + TRAIN + STEP.replace("(net(x), y)", "(net(x), y, reduction='sum')") + GIVE, 0, "sum over the batch"),
    ("fine_prune", F.replace("copy.deepcopy(model)", "model") + MUTE + SET + OPT + TRAIN + STEP + GIVE, 4, "the model that came in was trained"),
    ("fine_prune", F + "    net.get_submodule(layer)[0].weight.data[channels] = 0\n" + OPT + TRAIN + STEP + GIVE, 0, "You zero the weights once"),
    ("fine_prune", F + MUTE + SET.replace("    net", "    h = net") + OPT + TRAIN + STEP + "    h.remove()\n" + GIVE, 0, "take the hook off"),
    ("fine_prune", F + MUTE + SET + OPT.replace("net.parameters()", "net.head.parameters()") + TRAIN + STEP + GIVE, 0, "Only the head learns"),
    ("fine_prune", F + MUTE + SET + OPT + TRAIN + STEP, 0, "is a return missing"),
    ("fine_prune", F + MUTE + SET + OPT + TRAIN + STEP.replace("net(x), y", "net(x), z") + GIVE, 0, "NameError"),
]  # fmt: skip
