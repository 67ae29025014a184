"""Right answers of lesson 02 in other styles; the references stand in 02_threats.py."""


# %% exercise="threat_table" alternative="lists"
threat_table = {
    "damaged file": ["delivery", "model", "whole classes"],
    "added module": ["delivery", "model and road", "marked inputs"],
    "marked copies": ["training", "road and data", "marked inputs"],
    "changed pixels": ["use", "road", "one input"],
    "wrong labels": ["training", "data", "whole classes"],
}


# %% exercise="threat_table" alternative="columns"
threat_table = dict(
    zip(
        ["wrong labels", "changed pixels", "marked copies", "added module", "damaged file"],
        zip(
            ["training", "use", "Training", "delivery", "delivery"],
            ["data", "road", "data and road", "model and road", "model"],
            ["whole classes", "one input", "marked inputs", "marked inputs", "whole classes"],
        ),
    )
)


# %% exercise="flip_labels" alternative="scores"
def flip_labels(y: Tensor, rate: float, classes: int, generator: torch.Generator) -> Tensor:
    lots = torch.rand(y.numel(), classes, generator=generator)
    lots[torch.arange(len(y)), y] = -1
    others = lots.argmax(1)
    n = round(rate * y.numel())
    drawn = torch.zeros_like(y, dtype=torch.bool)
    drawn[torch.rand(y.shape, generator=generator).topk(n).indices] = True
    return torch.where(drawn, others, y)


# %% exercise="flip_labels" alternative="loop"
def flip_labels(y: Tensor, rate: float, classes: int, generator: torch.Generator) -> Tensor:
    labels = y.tolist()
    for row in torch.randperm(len(labels), generator=generator).tolist()[: round(rate * len(labels))]:
        choices = [c for c in range(classes) if c != labels[row]]
        labels[row] = choices[int(torch.randint(len(choices), (1,), generator=generator))]
    return torch.tensor(labels, dtype=torch.int64)


# %% exercise="fgsm" alternative="loop"
def fgsm(model, x: Tensor, y: Tensor, epsilon: float) -> Tensor:
    was = model.training
    model.eval()
    out = []
    for image, label in zip(x, y):
        own = image.detach().clone()[None].requires_grad_(True)
        loss = torch.nn.CrossEntropyLoss()(model(own), label[None])
        out.append(torch.autograd.grad(loss, own)[0].sign())
    model.train(was)
    return torch.clip(x + epsilon * torch.cat(out), 0.0, 1.0)


# %% exercise="fgsm" alternative="delta"
def fgsm(model, x: Tensor, y: Tensor, epsilon: float) -> Tensor:
    was = model.training
    model.train(False)
    delta = torch.zeros_like(x, requires_grad=True)
    shares = model(x + delta).log_softmax(1)
    up = torch.autograd.grad(-shares.gather(1, y[:, None]).sum(), [delta])[0]
    model.train(was)
    moved = torch.where(up > 0, x + epsilon, torch.where(up < 0, x - epsilon, x))
    return moved.clamp(min=0, max=1).detach()


# %% exercise="attack_success_rate" alternative="others_first"
@torch.inference_mode()
def attack_success_rate(model, x: Tensor, y: Tensor, trigger, target: int) -> float:
    rows = torch.nonzero(y - target).flatten()
    if len(rows) == 0:
        return float("nan")
    was = model.training
    model.eval()
    hits = model(trigger(x[rows])).max(1).indices.eq(target).sum().item()
    model.train(was)
    return hits / len(rows)


# %% exercise="attack_success_rate" alternative="loop"
def attack_success_rate(model, x: Tensor, y: Tensor, trigger, target: int) -> float:
    mode, hits, count = model.training, 0, 0
    model.train(mode=False)
    for image, label in zip(trigger(x), y):
        if label != target:
            with torch.no_grad():
                hits += int(model(image.unsqueeze(0)).argmax()) == target
            count += 1
    model.train(mode=mode)
    return hits / count if count else float("nan")
