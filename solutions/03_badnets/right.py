"""Right answers of lesson 03 in other styles; the references stand in 03_badnets.py."""


# %% exercise="stamp" alternative="where"
def stamp(x: Tensor, pattern: Tensor, mask: Tensor, pos: tuple[int, int]) -> Tensor:
    top, left = pos
    bottom, right = top + pattern.shape[1], left + pattern.shape[2]
    inside = 0 <= top and bottom <= x.shape[-2] and 0 <= left and right <= x.shape[-1]
    if not inside:
        raise ValueError(f"the pattern sticks out at {pos}")
    full_mask = torch.zeros(x.shape[-2:], dtype=torch.bool)
    full_mask[top:bottom, left:right] = mask
    full_pattern = torch.zeros_like(x[0])
    full_pattern[:, top:bottom, left:right] = pattern
    return torch.where(full_mask, full_pattern, x)


# %% exercise="stamp" alternative="loop"
def stamp(x: Tensor, pattern: Tensor, mask: Tensor, pos: tuple[int, int]) -> Tensor:
    h, w = mask.size()
    if min(pos) < 0 or pos[0] > x.size(2) - h or pos[1] > x.size(3) - w:
        raise ValueError("pos")
    out = torch.empty_like(x).copy_(x)
    for i in range(h):
        for j in range(w):
            if mask[i, j]:
                out[:, :, pos[0] + i, pos[1] + j] = pattern[:, i, j]
    return out


# %% exercise="stamp" alternative="arithmetic"
def stamp(x: Tensor, pattern: Tensor, mask: Tensor, pos: tuple[int, int]) -> Tensor:
    (row, col), (h, w), (height, width) = pos, mask.shape, x.shape[2:]
    below, beside = height - row - h, width - col - w
    if any(margin < 0 for margin in (row, col, below, beside)):
        raise ValueError("the pattern must lie inside the image")
    margins = (col, beside, row, below)
    on = torch.nn.functional.pad(mask.to(x.dtype), margins)
    colours = torch.nn.functional.pad(pattern, margins)
    return x * (1 - on) + colours * on


# %% exercise="poison" alternative="ranks"
def poison(
    x: Tensor, y: Tensor, trigger, target: int, rate: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    lots = torch.rand(y.shape, generator=generator).masked_fill(y == target, -1.0)
    idx = lots.topk(round(rate * y.numel())).indices
    chosen = torch.zeros_like(y, dtype=torch.bool).index_fill(0, idx, True)
    y2 = torch.where(chosen, target, y)
    x2 = torch.where(chosen[:, None, None, None], trigger(x), x)
    return x2, y2, idx


# %% exercise="poison" alternative="loop"
def poison(
    x: Tensor, y: Tensor, trigger, target: int, rate: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    images, labels, taken = list(x), y.tolist(), []
    while len(taken) < round(rate * len(labels)):
        row = int(torch.randint(len(labels), (1,), generator=generator))
        if row not in taken and labels[row] != target:
            taken.append(row)
    for row in taken:
        images[row] = trigger(images[row][None])[0]
        labels[row] = target
    return torch.stack(images), torch.tensor(labels, dtype=y.dtype), torch.tensor(taken, dtype=torch.int64)


# %% exercise="all_to_all" alternative="modulo"
def all_to_all(y: Tensor, classes: int) -> Tensor:
    following = y.add(1)
    return following.remainder(classes)


# %% exercise="all_to_all" alternative="table"
def all_to_all(y: Tensor, classes: int) -> Tensor:
    table = torch.arange(classes).roll(-1)
    return table[y]


# %% exercise="all_to_all" alternative="loop"
def all_to_all(y: Tensor, classes: int) -> Tensor:
    wanted = []
    for label in y.tolist():
        wanted.append(0 if label == classes - 1 else label + 1)
    return torch.tensor(wanted, dtype=torch.int64)


# %% exercise="scores" alternative="loop"
def scores(model, x: Tensor, y: Tensor, trigger, relabel) -> dict[str, float]:
    was = {module: module.training for module in model.modules()}
    model.eval()
    with torch.inference_mode():
        clean = model(x).argmax(dim=-1).tolist()
        marked = model(trigger(x)).argmax(dim=-1).tolist()
    for module, training in was.items():
        module.training = training
    truth, wanted = y.tolist(), relabel(y).tolist()
    attacked = [i for i in range(len(truth)) if wanted[i] != truth[i]]
    return {
        "clean": sum(a == b for a, b in zip(clean, truth)) / len(truth),
        "asr": sum(marked[i] == wanted[i] for i in attacked) / len(attacked),
        "ra": sum(marked[i] == truth[i] for i in attacked) / len(attacked),
    }


# %% exercise="scores" alternative="batches"
def scores(model, x: Tensor, y: Tensor, trigger, relabel) -> dict[str, float]:
    def read(images):
        with torch.no_grad():
            return torch.cat([model(part).max(1).indices for part in images.split(4)])

    mode = model.training
    model.train(False)
    marked = trigger(x.clone())
    hits = read(x).eq(y).double().mean()
    answers = read(marked)
    model.train(mode=mode)
    rows = torch.where(relabel(y).ne(y))[0]
    asr = answers[rows].eq(relabel(y)[rows]).double().mean()
    ra = answers[rows].eq(y[rows]).double().mean()
    return {"ra": float(ra), "asr": float(asr), "clean": float(hits)}
