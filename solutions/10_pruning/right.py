"""Right answers of lesson 10 in other styles; the references stand in 10_pruning.py."""


# %% exercise="mean_activation" alternative="children"
def mean_activation(model, layer, x):
    was = model.training
    model.eval()
    out = x
    with torch.no_grad():
        for name, stage in model.named_children():
            out = stage(out)
            if name == layer:
                break
    model.train(was)
    return out.transpose(0, 1).flatten(1).mean(1)


# %% exercise="mean_activation" alternative="image by image"
def mean_activation(model, layer, x):
    total, seen = 0, []

    def look(module, given, out):
        seen.append(out[0].detach())

    handle = model.get_submodule(layer).register_forward_hook(look)
    was = model.training
    model.train(False)
    for image in x:
        model(image[None])
        maps = seen.pop()
        total = total + maps.sum((1, 2)) / maps[0].numel()
    handle.remove()
    model.train(was)
    return total / len(x)


# %% exercise="prune_order" alternative="mask module"
def prune_order(activations):
    return torch.sort(activations, stable=True).indices


class Mask(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.channels = channels

    def forward(self, maps):
        keep = torch.ones(maps.shape[1])
        keep[self.channels] = 0
        return maps * keep[None, :, None, None]


def prune(model, layer, channels):
    found = copy.deepcopy(model)
    setattr(found, layer, nn.Sequential(getattr(found, layer), Mask(channels)))
    return found


# %% exercise="prune_order" alternative="weights and shift"
def prune_order(activations):
    numbers = sorted(range(len(activations)), key=lambda n: activations[n].item())
    return torch.tensor(numbers)


def prune(model, layer, channels):
    found = copy.deepcopy(model)
    with torch.no_grad():
        for part in found.get_submodule(layer):
            for tensor in part.parameters():
                tensor[channels] = 0
    return found


# %% exercise="prune_until" alternative="while"
def prune_until(accuracy, order, drop):
    keep = torch.ones(len(order))
    least = float(accuracy(keep)) - drop
    fallen = 0
    while fallen < len(order) - 1:
        keep[order[fallen]] = 0
        if float(accuracy(keep)) < least - 1e-12:
            break
        fallen += 1
    return fallen


# %% exercise="prune_until" alternative="whole curve"
def prune_until(accuracy, order, drop):
    curve = []
    for count in range(len(order)):
        keep = torch.ones(len(order))
        keep[order[:count]] = 0
        curve.append(float(accuracy(keep)))
    bad = [count for count, value in enumerate(curve) if curve[0] - value > drop]
    return bad[0] - 1 if bad else len(order) - 1


# %% exercise="fine_prune" alternative="by hand"
def fine_prune(model, layer, channels, batches, epochs, lr):
    net = copy.deepcopy(model).train()

    def silence(module, given, out):
        keep = torch.ones(out.shape[1])
        keep[channels] = 0
        return out * keep[:, None, None]

    net.get_submodule(layer).register_forward_hook(silence)
    for _ in range(epochs):
        for x, y in batches:
            loss = F.cross_entropy(net(x), y)
            gradients = torch.autograd.grad(loss, list(net.parameters()))
            with torch.no_grad():
                for weight, gradient in zip(net.parameters(), gradients):
                    weight -= lr * gradient
    net.eval()
    return net


# %% exercise="fine_prune" alternative="zeroed after each step"
def fine_prune(model, layer, channels, batches, epochs, lr):
    net = copy.deepcopy(model)
    stage = net.get_submodule(layer)

    def silence():
        with torch.no_grad():
            for part in stage:
                for tensor in part.parameters():
                    tensor[channels] = 0

    silence()
    optimiser = torch.optim.SGD(net.parameters(), lr)
    for _ in range(epochs):
        for x, y in batches:
            net.train()
            optimiser.zero_grad()
            nn.CrossEntropyLoss()(net(x), y).backward()
            optimiser.step()
            silence()
    net.eval()
    return net
