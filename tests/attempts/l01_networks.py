"""Lesson 01: right answers in odd styles, typical slips, two slips at once, exceptions, wrong kinds."""

L = "def linear_relu(x, W, b):\n"
A = "def accuracy(model, x, y, batch):\n"
EVAL = "    mode = model.training\n    model.eval()\n"
COUNT = (
    "    hits = 0\n    with torch.no_grad():\n        for i in range(0, len(x), batch):\n"
    "            hits += (model(x[i:i + batch]).argmax(1) == y[i:i + batch]).sum().item()\n"
)
BACK = "    model.train(mode)\n"
END = "    return hits / len(x)\n"
X = "def softmax_xent(logits, y):\n"
MAX = "    z = logits - logits.max(1, keepdim=True).values\n"
LSE = "    lse = z.exp().sum(1).log()\n"
PICK = "    return (lse - z[torch.arange(len(y)), y]).mean()\n"
SOFT = "    p = z.exp() / z.exp().sum(1, keepdim=True)\n"
T = "def train_epoch(model, loader, optimiser):\n"
SUMS = "    model.train()\n    total, n = 0.0, 0\n"
FOR = "    for x, y in loader:\n"
ZERO = "        optimiser.zero_grad()\n"
LOSS = "        loss = torch.nn.functional.cross_entropy(model(x), y)\n"
STEP = "        loss.backward()\n        optimiser.step()\n"
ADD = "        total += loss.item() * len(y)\n        n += len(y)\n"
MEAN = "    return total / n\n"

ATTEMPTS = [  # exercise, answer, points, what is said
    # --- what a new student wrote ---
    ("accuracy", "def accuracy(model, x, y, batch):\n    was = model.training\n    model.eval()\n    hits = 0\n"
     "    for i in range(0, len(x), batch):\n        hits += (model(x[i:i + batch]).argmax() == y[i:i + batch]).sum().item()\n"
     "    model.train(was)\n    return hits / len(x)", 0, "argmax() without an axis"),
    ("softmax_xent", "def softmax_xent(logits, y):\n    p = logits.exp() / logits.exp().sum(1, keepdim=True)\n"
     "    return -p[torch.arange(len(y)), y].log().mean()", 3, "You divide exp by a sum of exps"),
    ("softmax_xent", "def softmax_xent(logits, y):\n    p = logits.exp() / logits.exp().sum(1)\n"
     "    return -p[torch.arange(len(y)), y].log().mean()", 0, "The size of tensor a"),
    ("train_epoch", "def train_epoch(model, loader, optimiser):\n    model.train()\n    total = n = 0\n    for x, y in loader:\n"
     "        loss = F.cross_entropy(model(x), y)\n        loss.backward()\n        optimiser.step()\n"
     "        optimiser.zero_grad()\n        total += loss.item() * len(y)\n        n += len(y)\n    return total / n", 0,
     "You clear the gradients behind the step"),
    ("train_epoch", "def train_epoch(model, loader, optimiser):\n    model.train()\n    total = n = 0\n    for x, y in loader:\n"
     "        model.zero_grad()\n        loss = F.cross_entropy(model(x), y)\n        loss.backward()\n"
     "        for w in model.parameters():\n            w.data -= 0.1 * w.grad\n        total += loss.item() * len(y)\n"
     "        n += len(y)\n    return total / n", 0, "has at"),
    # --- linear_relu: right ---
    ("linear_relu", L + "    return torch.relu(x @ W.T + b)", 3, "Next:"),
    ("linear_relu", L + "    return (x.matmul(W.t()) + b).clamp(min=0)", 3, "Next:"),
    ("linear_relu", L + "    z = torch.addmm(b, x, W.T)\n    z[z < 0] = 0\n    return z", 3, "Next:"),
    ("linear_relu", "linear_relu = lambda x, W, b: torch.nn.functional.linear(x, W, b).relu()", 3, "Next:"),
    ("linear_relu", L + "    z = (x[:, None] * W).sum(-1) + b\n    return z * (z > 0)", 3, "Next:"),
    # --- linear_relu: slips ---
    ("linear_relu", L + "    return torch.relu(x @ W + b)", 0, "must be turned round, W.T"),
    ("linear_relu", L + "    return torch.relu(x @ W.T)", 0, "The bias b is missing"),
    ("linear_relu", L + "    return torch.relu(x @ W.T - b)", 0, "You take b off"),
    ("linear_relu", L + "    return x @ W.T + b", 0, "put max(0, .) around the sum"),
    ("linear_relu", L + "    return torch.relu(x @ W.T) + b", 0, "behind the max"),
    ("linear_relu", L + "    return torch.relu(x) @ W.T + b", 0, ""),
    ("linear_relu", L + "    x = torch.relu(x)\n    return torch.relu(x @ W.T + b)", 0, "You cut the inputs at zero"),
    ("linear_relu", L + "    return torch.relu(x @ torch.relu(W).T + b)", 0, "You cut the weights at zero"),
    ("linear_relu", L + "    return torch.clamp(x @ W.T + b, 0, 1)", 0, "A ReLU has no upper end"),
    ("linear_relu", L + "    return torch.minimum(x @ W.T + b, torch.tensor(0.0))", 0, "It is the other way round"),
    ("linear_relu", L + "    return (x @ W.T + b).abs()", 0, "They must become 0"),
    ("linear_relu", L + "    return torch.relu(x @ W.T + b.reshape(-1, 1))", 0, "You add b down the images"),
    ("linear_relu", L + "    return ((x @ W.T + b) > 0).float()", 0, "Wanted is how strongly"),
    ("linear_relu", L + "    return torch.relu(x @ W.T + b).squeeze()", 2, "Axes of length one get lost"),
    ("linear_relu", L + "    return torch.stack([torch.relu(W @ row + b) for row in x])", 2, "RuntimeError"),
    ("linear_relu", L + "    return torch.relu(W @ x.T + b)", 0, ""),
    ("linear_relu", L + "    torch.relu(x @ W.T + b)", 0, "is a return missing?"),
    ("linear_relu", L + "    return torch.relu(x @ W.T + b).numpy()", 0, "is a numpy array of shape"),
    ("linear_relu", L + "    return torch.relu(x @ w.T + b)", 0, "NameError: name 'w' is not defined (line 2"),
    ("linear_relu", L + "    return max(0, x @ W.T + b)", 0, "RuntimeError: Boolean value of Tensor"),
    # --- accuracy: right ---
    ("accuracy", A + EVAL + COUNT + BACK + END, 3, "Next:"),
    ("accuracy", "@torch.inference_mode()\n" + A + EVAL
     + "    out = torch.cat([model(p) for p in torch.split(x, batch)]).argmax(1)\n" + BACK
     + "    return (out == y).double().mean().item()", 3, "Next:"),
    ("accuracy", A + "    was = model.training\n    try:\n        model.eval()\n" + COUNT.replace("    ", "        ", 1).replace(
        "\n    with", "\n        with").replace("\n        for", "\n            for").replace(
        "\n            hits +=", "\n                hits +=")
     + "        return hits / len(x)\n    finally:\n        model.train(was)", 3, "Next:"),
    ("accuracy", A + EVAL + "    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=batch)\n"
     "    r = [a == b for u, v in data for a, b in zip(model(u).max(1).indices.tolist(), v.tolist())]\n" + BACK
     + "    return sum(r) / len(r)", 3, "Next:"),
    # --- accuracy: slips ---
    ("accuracy", A + "    mode = model.training\n" + COUNT + BACK + END, 0, "You ask the model in train mode"),
    ("accuracy", A + EVAL + COUNT.replace("0, len(x), batch", "0, len(x) - batch + 1, batch") + BACK + END, 0,
     "are never asked, and count as wrong"),
    ("accuracy", A + EVAL + COUNT.replace("0, len(x), batch", "0, len(x) - batch + 1, batch") + BACK
     + "    return hits / (len(x) // batch * batch)", 0, ""),
    ("accuracy", A + EVAL + COUNT.replace(".sum()", ".float().mean()") + BACK + "    return hits / -(-len(x) // batch)", 0,
     "the mean of the batches' accuracies"),
    ("accuracy", A + EVAL + COUNT + BACK + "    return hits / (-(-len(x) // batch) * batch)", 0,
     "the number of batches times their size"),
    ("accuracy", A + EVAL + COUNT.replace("+=", "=") + BACK + END, 0, "In the end one batch alone counts"),
    ("accuracy", A + EVAL + COUNT.replace("argmax(1)", "max(1)[0]") + BACK + END, 0, "Wanted is its place"),
    ("accuracy", A + EVAL + COUNT + BACK + "    return hits", 0, "not which share"),
    ("accuracy", A + EVAL + COUNT + BACK + "    return 100 * hits / len(x)", 0, "These are per cent"),
    ("accuracy", A + EVAL + COUNT.replace(".item()", "") + BACK + END, 0, "Your share is a tensor"),
    ("accuracy", A + EVAL + "    with torch.no_grad():\n        hits = (model(x).argmax(1) == y).sum().item()\n" + BACK + END, 2,
     "all images to the model at once"),
    ("accuracy", A + EVAL + COUNT + END, 2, "stays in eval mode"),
    ("accuracy", A + EVAL + COUNT + "    model.train()\n" + END, 2, "into train mode at the end"),
    ("accuracy", A + EVAL + "    model.zero_grad()\n" + COUNT + BACK + END, 2, "You clear the model's gradients"),
    ("accuracy", A + EVAL + COUNT.replace(".argmax(1)", "") + BACK + END, 0, "the result is 0, expected 0.666667"),
    ("accuracy", A + EVAL + COUNT + BACK, 0, "is a return missing?"),
    ("accuracy", A + EVAL + COUNT.replace("model(x", "net(x") + BACK + END, 0, "NameError: name 'net' is not defined"),
    ("accuracy", A + EVAL + COUNT.replace("argmax(1)", "argmax(0)") + BACK + END, 0, ""),
    # --- accuracy: two at once ---
    ("accuracy", A + "    model.eval()\n" + COUNT + "    return hits", 0, "not which share"),
    # --- softmax_xent: right ---
    ("softmax_xent", X + MAX + LSE + PICK, 4, "Next:"),
    ("softmax_xent", X + "    return (logits.logsumexp(1) - logits.gather(1, y.view(-1, 1)).squeeze(1)).mean()", 4, "Next:"),
    ("softmax_xent", X + "    return -torch.log_softmax(logits, 1)[range(len(y)), y].mean()", 4, "Next:"),
    ("softmax_xent", X + "    total = 0\n    for row, k in zip(logits, y):\n        m = row.max()\n        total = total + m + "
     "(row - m).exp().sum().log() - row[k]\n    return total / len(y)", 4, "Next:"),
    # --- softmax_xent: slips ---
    ("softmax_xent", X + MAX + LSE + PICK.replace("mean", "sum"), 0, "You add the losses of the images up"),
    ("softmax_xent", X + MAX + LSE + PICK.replace("(lse - ", "(").replace("y])", "y] - lse)"), 0, "The sign is wrong"),
    ("softmax_xent", X + "    return -torch.softmax(logits, 0).log()[range(len(y)), y].mean()", 0, "You go down the images"),
    ("softmax_xent", X + "    return -torch.softmax(logits, 1).log2()[range(len(y)), y].mean()", 0, "logarithm to base 2"),
    ("softmax_xent", X + MAX + LSE + PICK.replace("mean()", "sum() / logits.numel()"), 0, "You divide by N * K"),
    ("softmax_xent", X + MAX + LSE + "    return (lse - z.max(1).values).mean()", 0, "the class that the reader prefers"),
    ("softmax_xent", X + "    return (1 - logits.softmax(1)[range(len(y)), y]).mean()", 0, "The logarithm is missing"),
    ("softmax_xent", X + MAX + LSE + PICK.replace("z[", "logits["), 0, "on one side only"),
    ("softmax_xent", X + MAX + LSE + PICK.replace("torch.arange(len(y))", ":"), 0, "an N x N table"),
    ("softmax_xent", X + MAX + LSE + PICK.replace("mean()", "mean().item()"), 0, "You return a plain number"),
    ("softmax_xent", X + MAX + LSE + PICK.replace("return (", "return float((").replace("mean()", "mean())"), 0,
     "You return a plain number"),
    ("softmax_xent", X + "    z = logits\n" + LSE + PICK, 3, "exp of a large logit is infinite"),
    ("softmax_xent", X + MAX + SOFT + "    return -p.log()[range(len(y)), y].mean()", 3, "A share becomes 0"),
    ("softmax_xent", X + "    z = logits - logits.max()\n" + LSE + PICK, 3, "one largest logit off all rows"),
    ("softmax_xent", X + MAX + SOFT + "    return -(p + 1e-9).log()[range(len(y)), y].mean()", 3, "keep the shares away from 0"),
    ("softmax_xent", X + MAX + SOFT + "    return -p.clamp(1e-12).log()[range(len(y)), y].mean()", 3,
     "keep the shares away from 0"),
    ("softmax_xent", X + "    logits -= logits.max(1, keepdim=True).values\n    z = logits\n" + LSE + PICK, 3,
     "the logits themselves have changed"),
    ("softmax_xent", X + "    return torch.nn.functional.cross_entropy(logits, y)", 0, "asks you to do without"),
    ("softmax_xent", X + "    return (logits.logsumexp(1) - logits[y]).mean()", 0, ""),
    ("softmax_xent", X + MAX + LSE + PICK.replace("    return ", "    "), 0, "is a return missing?"),
    ("softmax_xent", X + "    z = logits - logits.max(1)\n" + LSE + PICK, 0, "TypeError: unsupported operand"),
    # --- softmax_xent: two at once ---
    ("softmax_xent", X + "    z = logits\n" + LSE + PICK.replace("mean", "sum"), 0, "You add the losses of the images up"),
    # --- train_epoch: right ---
    ("train_epoch", T + SUMS + FOR + ZERO + LOSS + STEP + ADD + MEAN, 5, "Next:"),
    ("train_epoch", T + "    model.train(); s = []\n" + FOR + "        l = torch.nn.CrossEntropyLoss()(model(x), y)\n"
     "        optimiser.zero_grad(); l.backward(); optimiser.step()\n        s += [float(l)] * len(x)\n    return sum(s) / len(s)",
     5, "Next:"),
    ("train_epoch", T + "    import numpy as np\n    model.train()\n    model.zero_grad()\n    parts = []\n" + FOR + LOSS + STEP
     + "        model.zero_grad()\n        parts.append((loss.item(), len(y)))\n"
     "    return float(np.average([a for a, _ in parts], weights=[b for _, b in parts]))", 5, "Next:"),
    # --- train_epoch: slips ---
    ("train_epoch", T + SUMS + FOR + LOSS + STEP + ADD + MEAN, 0, "are never cleared"),
    ("train_epoch", T + SUMS + "    optimiser.zero_grad()\n" + FOR + LOSS + STEP + ADD + MEAN, 0, "once, before the loop"),
    ("train_epoch", T + SUMS + FOR + ZERO + LOSS + "        loss.backward()\n" + ADD + MEAN, 0, "The weights do not move as they should"),
    ("train_epoch", T + SUMS + FOR + ZERO + LOSS + "        optimiser.step()\n" + ADD + MEAN, 0, "The weights do not move as they should"),
    ("train_epoch", T + SUMS + FOR + LOSS + "        loss.backward()\n" + ZERO + "        optimiser.step()\n" + ADD + MEAN, 0,
     "The weights do not move as they should"),
    ("train_epoch", T + SUMS + FOR + ZERO + LOSS + "        loss.backward()\n" + ADD + "    optimiser.step()\n" + MEAN, 0,
     "only the last batch moves the weights"),
    ("train_epoch", T + SUMS + FOR + ZERO + LOSS + STEP + ADD + "    " + MEAN, 0, "returns inside the loop"),
    ("train_epoch", T + SUMS + FOR + ZERO + LOSS.replace("model(x)", "model(x).softmax(1)") + STEP + ADD + MEAN, 0,
     "a softmax in front of cross_entropy"),
    ("train_epoch", T + SUMS + FOR + ZERO + LOSS.replace(", y)", ", y, reduction='sum')") + STEP
     + ADD.replace(" * len(y)", "") + MEAN, 0, "not along their mean"),
    ("train_epoch", T + SUMS.replace("train()", "eval()") + FOR + ZERO + LOSS + STEP + ADD + MEAN, 0, "You train in eval mode"),
    ("train_epoch", T + "    total, n = 0.0, 0\n" + FOR + ZERO + LOSS + STEP + ADD + MEAN, 4, "comes in eval mode stays in it"),
    ("train_epoch", T + SUMS + FOR + ZERO + LOSS + STEP + ADD.replace(" * len(y)", "").replace("+= len(y)", "+= 1") + MEAN, 3,
     "the mean of the batches' losses"),
    ("train_epoch", T + SUMS + FOR + ZERO + LOSS + STEP + "    return loss.item()", 3, "the last batch alone"),
    ("train_epoch", T + SUMS + FOR + ZERO + LOSS + STEP + ADD + "    return total", 3, "the sum over all images"),
    ("train_epoch", T + SUMS + FOR + ZERO + LOSS + STEP + ADD + "    return total / len(loader)", 3,
     "by the number of batches, not of images"),
    ("train_epoch", T + SUMS + FOR + ZERO + LOSS + STEP + ADD.replace("loss.item()", "loss.detach()") + MEAN, 3,
     "The loss is right, but a tensor"),
    ("train_epoch", T + SUMS + FOR + ZERO + LOSS + STEP + ADD.replace("loss.item()", "loss") + MEAN, 3, "but a tensor"),
    ("train_epoch", T + SUMS + FOR + ZERO + LOSS + STEP + ADD, 3, "is a return missing?"),
    ("train_epoch", T + SUMS + FOR + ZERO + LOSS.replace("model(x), y", "y, model(x)") + STEP + ADD + MEAN, 0, "Error"),
    ("train_epoch", T + SUMS + FOR + ZERO.replace("zero_grad()", "zero_grad") + LOSS + STEP + ADD + MEAN, 0, "are never cleared"),
    ("train_epoch", T.replace("optimiser", "opt") + SUMS + FOR + ZERO + LOSS + STEP + ADD + MEAN, 0,
     "NameError: name 'optimiser' is not defined"),
    # --- train_epoch: two at once ---
    ("train_epoch", T + SUMS + FOR + LOSS + STEP + ADD + "    return total", 0, "are never cleared"),
]  # fmt: skip
