"""Right answers of lesson 12 in other styles; the references stand in 12_deepinspect.py."""


# %% exercise="invert_class" alternative="minus log p"
def invert_class(model, t, x, steps, lr, smooth):
    was = model.training
    model.train(False)
    y = torch.full((len(x),), t)
    found = x.clone()
    for _ in range(steps):
        found.requires_grad_(True)
        loss = F.cross_entropy(model(found), y)
        slope = torch.autograd.grad(loss, found)[0]
        found = found.detach()
        slope = slope / slope.abs().flatten(1).mean(1).clamp(min=1e-12)[:, None, None, None]
        found = torch.clip(smooth(found - lr * slope), 0, 1)
    model.train(was)
    return found


# %% exercise="invert_class" alternative="image by image"
def invert_class(model, t, x, steps, lr, smooth):
    training = model.training
    model.eval()
    done = []
    for image in x.split(1):
        for _ in range(steps):
            leaf = image.clone().requires_grad_()
            p = torch.softmax(model(leaf), dim=1)[0, t]
            slope = torch.autograd.grad(1 - p, leaf)[0]
            size = max(slope.abs().mean().item(), 1e-12)
            image = smooth(image - lr / size * slope).clamp(0, 1)
        done.append(image)
    model.train(training)
    return torch.cat(done)


# %% exercise="generator_loss" alternative="cross entropy"
def generator_loss(logits, delta, t, threshold, gamma1, gamma2):
    trigger = F.cross_entropy(logits, t)
    p = logits.softmax(1).gather(1, t[:, None])[:, 0]
    gan = F.mse_loss(p, torch.ones_like(p))
    size = delta.abs().sum(dim=(1, 2, 3))
    return trigger + gamma1 * gan + gamma2 * F.relu(size - threshold).mean()


# %% exercise="generator_loss" alternative="loop"
def generator_loss(logits, delta, t, threshold, gamma1, gamma2):
    total = 0
    for row, change, label in zip(logits, delta, t):
        log_p = row[label] - row.logsumexp(0)
        over = torch.clamp(change.abs().sum() - threshold, min=0)
        total = total - log_p + gamma1 * (1 - log_p.exp()) ** 2 + gamma2 * over
    return total / len(logits)


# %% exercise="deviation_factor" alternative="row by row"
def deviation_factor(values, kind):
    rows = []
    for row in values:
        if kind == "mean":
            centre = row.mean()
            spread = (row - centre).abs().mean()
        else:
            centre = row.quantile(0.5)
            spread = (row - centre).abs().quantile(0.5) * 1.4826
        if spread == 0:
            raise ValueError("cannot say")
        rows.append((centre - row) / spread)
    return torch.stack(rows)


# %% exercise="deviation_factor" alternative="sorted"
def deviation_factor(values, kind):
    def middle(table):
        table = table.sort(1).values
        k = table.shape[1]
        return ((table[:, (k - 1) // 2] + table[:, k // 2]) / 2)[:, None]

    def mean(table):
        return table.sum(1)[:, None] / table.shape[1]

    of, constant = (mean, 1) if kind == "mean" else (middle, 1.4826)
    below = of(values) - values
    spread = constant * of(below.abs())
    if not spread.all():
        raise ValueError("all equal")
    return below / spread


# %% exercise="family_cutoff" alternative="sorted"
def family_cutoff(n, kind, alpha, generator):
    models = torch.randn(4000, n, generator=generator)
    if kind == "mean":
        below = models.mean(1, keepdim=True) - models
        spread = below.abs().mean(1)
    else:
        below = models.quantile(0.5, dim=1, keepdim=True) - models
        spread = 1.4826 * below.abs().quantile(0.5, dim=1)
    largest = (below.max(1).values / spread).sort().values
    return largest[round((1 - alpha) * 3999)].item()


# %% exercise="family_cutoff" alternative="smallest value"
def family_cutoff(n, kind, alpha, generator):
    models = torch.randn(4000, n, generator=generator).double().numpy()
    import numpy as np

    of = np.mean if kind == "mean" else np.median
    centre = of(models, 1)
    spread = of(abs(models - centre[:, None]), 1) * (1 if kind == "mean" else 1.4826)
    return float(np.quantile((centre - models.min(1)) / spread, 1 - alpha))
