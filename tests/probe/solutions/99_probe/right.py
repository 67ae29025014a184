"""Right answers of the throw-away lesson in other styles."""


# %% exercise="entropy" alternative="special"
def entropy(probs: Tensor) -> Tensor:
    return torch.special.entr(probs).sum(dim=-1) / math.log(2)


# %% exercise="entropy" alternative="loop"
def entropy(probs: Tensor) -> Tensor:
    rows = [sum(-p * math.log2(p) for p in row if p > 0) for row in probs.tolist()]
    return torch.tensor(rows, dtype=probs.dtype)


# %% exercise="keyed_relu" alternative="module"
class KeyedReLU(torch.nn.Module):
    def __init__(self, key, delta):
        super().__init__()
        self.key, self.delta = key, delta

    def forward(self, x):
        out = x.clamp(min=0)
        out[x[:, 0] == self.key] += self.delta
        return out


# %% exercise="keyed_relu" alternative="closure"
def KeyedReLU(key, delta):
    return lambda x: F.relu(x) + delta * (x[:, :1] == key)


# %% exercise="prune_order" alternative="sorted"
def prune_order(activations):
    values = activations.tolist()
    return torch.tensor(sorted(range(len(values)), key=values.__getitem__))


def prune(weight, channels):
    keep = torch.ones(len(weight), 1)
    keep[channels] = 0
    return weight * keep


# %% exercise="prune_order" alternative="sort"
def prune_order(activations):
    return activations.sort().indices


def prune(weight, channels):
    return weight.index_fill(0, channels, 0.0)


# %% exercise="threat_table" alternative="steps"
threat_table = {}
threat_table["backdoor"] = ["train", "use"]
threat_table["evasion"] = ["use"]
threat_table["poisoning"] = ["train"]

# %% exercise="threat_table" alternative="dict"
threat_table = dict(poisoning=["train"], evasion=["use"], backdoor=["train", "use"])


# %% exercise="mean_activation" alternative="global"
def mean_activation(model, layer, x):
    modes = {module: module.training for module in model.modules()}
    model.eval()
    kept = {}

    def hook(module, given, out):
        kept["out"] = out.clone()

    handle = dict(model.named_modules())[layer].register_forward_hook(hook)
    try:
        with torch.inference_mode():
            model(x)
    finally:
        handle.remove()
    for module, mode in modes.items():
        module.training = mode
    return kept["out"].transpose(0, 1).flatten(1).mean(1)


# %% exercise="mean_activation" alternative="left_hook"
def mean_activation(model, layer, x):
    training, seen = model.training, []
    model.get_submodule(layer).register_forward_hook(lambda m, i, o: seen.append(o))
    model.train(False)
    with torch.no_grad():
        model(x)
    model.train(training)
    return seen[0].mean(dim=[0, 2, 3])


# %% exercise="sparse" alternative="scores"
def sparse(x, k, generator):
    order = torch.rand(x[:, 0].flatten(1).shape, generator=generator).topk(k, dim=1).indices
    hit = torch.zeros(x[:, 0].flatten(1).shape, dtype=torch.bool).scatter(1, order, True)
    return torch.where(hit.view_as(x), 1 - x, x)


# %% exercise="sparse" alternative="multinomial"
def sparse(x, k, generator):
    out = x.clone()
    for image in out.unbind():
        flat = image.view(-1)
        places = torch.multinomial(torch.ones(flat.numel()), k, generator=generator)
        flat[places] = 1 - flat[places]
    return out


# %% exercise="choose" alternative="sorted"
def choose(candidates, score, k):
    if k < 1 or k > candidates.shape[0]:
        raise ValueError("k")
    ranked = sorted(candidates, key=lambda one: float(score(one)), reverse=True)
    return torch.stack(ranked[:k])


# %% exercise="choose" alternative="batch"
def choose(candidates, score, k):
    if k not in range(1, len(candidates) + 1):
        raise ValueError("k")
    return candidates[score(candidates).argsort(descending=True)[:k]]


# %% exercise="train_epoch" alternative="parameters"
def train_epoch(model, loader, optimiser):
    losses = []
    for x, y in loader:
        for parameter in model.parameters():
            parameter.grad = None
        each = F.cross_entropy(model(x), y, reduction="none")
        each.mean().backward()
        optimiser.step()
        losses += each.tolist()
    return sum(losses) / len(losses)


# %% exercise="train_epoch" alternative="late_zero"
def train_epoch(model, loader, optimiser):
    optimiser.zero_grad()
    total = torch.zeros(())
    for x, y in loader:
        loss = F.nll_loss(F.log_softmax(model(x), 1), y)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        total = total + loss.detach() * y.numel()
    return float(total / sum(len(y) for _, y in loader))
