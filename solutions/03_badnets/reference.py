"""Right alternatives and wrong answers (mutants) for the exercises of lesson 03; the references stand in 03_badnets.py.

Each cell is what a student could write in the answer cell; `points` is what the check's parts give for a wrong one."""


# %% exercise="l03_stamp" alternative="where"
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


# %% exercise="l03_stamp" alternative="loop"
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


# %% exercise="l03_stamp" alternative="arithmetic"
def stamp(x: Tensor, pattern: Tensor, mask: Tensor, pos: tuple[int, int]) -> Tensor:
    (row, col), (h, w), (height, width) = pos, mask.shape, x.shape[2:]
    below, beside = height - row - h, width - col - w
    if any(margin < 0 for margin in (row, col, below, beside)):
        raise ValueError("the pattern must lie inside the image")
    margins = (col, beside, row, below)
    on = torch.nn.functional.pad(mask.to(x.dtype), margins)
    colours = torch.nn.functional.pad(pattern, margins)
    return x * (1 - on) + colours * on


# %% exercise="l03_stamp" mutant="in_place" points=3.0
def stamp(x: Tensor, pattern: Tensor, mask: Tensor, pos: tuple[int, int]) -> Tensor:
    (row, column), (height, width) = pos, mask.shape
    if row < 0 or column < 0 or row + height > x.shape[2] or column + width > x.shape[3]:
        raise ValueError(f"pos must keep the {height}x{width} pattern inside the image, got {pos}")
    marked = x
    window = marked[:, :, row : row + height, column : column + width]
    window[:, :, mask] = pattern[:, mask]
    return marked


# %% exercise="l03_stamp" mutant="no_mask" points=1.0
def stamp(x: Tensor, pattern: Tensor, mask: Tensor, pos: tuple[int, int]) -> Tensor:
    (row, column), (height, width) = pos, mask.shape
    if row < 0 or column < 0 or row + height > x.shape[2] or column + width > x.shape[3]:
        raise ValueError(f"pos must keep the {height}x{width} pattern inside the image, got {pos}")
    marked = x.clone()
    marked[:, :, row : row + height, column : column + width] = pattern
    return marked


# %% exercise="l03_stamp" mutant="adds" points=1.0
def stamp(x: Tensor, pattern: Tensor, mask: Tensor, pos: tuple[int, int]) -> Tensor:
    (row, column), (height, width) = pos, mask.shape
    if row < 0 or column < 0 or row + height > x.shape[2] or column + width > x.shape[3]:
        raise ValueError(f"pos must keep the {height}x{width} pattern inside the image, got {pos}")
    marked = x.clone()
    window = marked[:, :, row : row + height, column : column + width]
    window[:, :, mask] += pattern[:, mask]
    return marked


# %% exercise="l03_stamp" mutant="swapped" points=1.0
def stamp(x: Tensor, pattern: Tensor, mask: Tensor, pos: tuple[int, int]) -> Tensor:
    (column, row), (height, width) = pos, mask.shape
    if row < 0 or column < 0 or row + height > x.shape[2] or column + width > x.shape[3]:
        raise ValueError(f"pos must keep the {height}x{width} pattern inside the image, got {pos}")
    marked = x.clone()
    window = marked[:, :, row : row + height, column : column + width]
    window[:, :, mask] = pattern[:, mask]
    return marked


# %% exercise="l03_stamp" mutant="first_channel" points=1.0
def stamp(x: Tensor, pattern: Tensor, mask: Tensor, pos: tuple[int, int]) -> Tensor:
    (row, column), (height, width) = pos, mask.shape
    if row < 0 or column < 0 or row + height > x.shape[2] or column + width > x.shape[3]:
        raise ValueError(f"pos must keep the {height}x{width} pattern inside the image, got {pos}")
    marked = x.clone()
    window = marked[:, :, row : row + height, column : column + width]
    window[:, :, mask] = pattern[0, mask]
    return marked


# %% exercise="l03_stamp" mutant="off_by_one" points=0.0
def stamp(x: Tensor, pattern: Tensor, mask: Tensor, pos: tuple[int, int]) -> Tensor:
    (row, column), (height, width) = pos, mask.shape
    if row < 0 or column < 0 or row + height >= x.shape[2] or column + width >= x.shape[3]:
        raise ValueError(f"pos must keep the {height}x{width} pattern inside the image, got {pos}")
    marked = x.clone()
    window = marked[:, :, row : row + height, column : column + width]
    window[:, :, mask] = pattern[:, mask]
    return marked


# %% exercise="l03_stamp" mutant="negative" points=3.0
def stamp(x: Tensor, pattern: Tensor, mask: Tensor, pos: tuple[int, int]) -> Tensor:
    (row, column), (height, width) = pos, mask.shape
    if row + height > x.shape[2] or column + width > x.shape[3]:
        raise ValueError(f"pos must keep the {height}x{width} pattern inside the image, got {pos}")
    marked = x.clone()
    window = marked[:, :, row : row + height, column : column + width]
    window[:, :, mask] = pattern[:, mask]
    return marked


# %% exercise="l03_stamp" mutant="moved_inside" points=3.0
def stamp(x: Tensor, pattern: Tensor, mask: Tensor, pos: tuple[int, int]) -> Tensor:
    (row, column), (height, width) = pos, mask.shape
    row = min(max(row, 0), x.shape[2] - height)
    column = min(max(column, 0), x.shape[3] - width)
    marked = x.clone()
    window = marked[:, :, row : row + height, column : column + width]
    window[:, :, mask] = pattern[:, mask]
    return marked


# %% exercise="l03_poison" alternative="ranks"
def poison(
    x: Tensor, y: Tensor, trigger, target: int, rate: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    lots = torch.rand(y.shape, generator=generator).masked_fill(y == target, -1.0)
    idx = lots.topk(round(rate * y.numel())).indices
    chosen = torch.zeros_like(y, dtype=torch.bool).index_fill(0, idx, True)
    y2 = torch.where(chosen, target, y)
    x2 = torch.where(chosen[:, None, None, None], trigger(x), x)
    return x2, y2, idx


# %% exercise="l03_poison" alternative="loop"
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


# %% exercise="l03_poison" alternative="filter_order"
def poison(
    x: Tensor, y: Tensor, trigger, target: int, rate: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    n = round(rate * x.shape[0])
    order = torch.randperm(x.shape[0], generator=generator)
    idx = order[y[order] != target][:n].sort().values
    x2 = x.index_copy(0, idx, trigger(x.index_select(0, idx)))
    return x2, y.index_fill(0, idx, target), idx


# %% exercise="l03_poison" mutant="in_place" points=3.0
def poison(
    x: Tensor, y: Tensor, trigger, target: int, rate: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    others = torch.nonzero(y != target).flatten()
    shuffled = others[torch.randperm(len(others), generator=generator)]
    idx = shuffled[: round(rate * len(y))]
    x2, y2 = x, y
    x2[idx] = trigger(x[idx])
    y2[idx] = target
    return x2, y2, idx


# %% exercise="l03_poison" mutant="target_rows" points=3.0
def poison(
    x: Tensor, y: Tensor, trigger, target: int, rate: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    shuffled = torch.randperm(len(y), generator=generator)
    idx = shuffled[: round(rate * len(y))]
    x2, y2 = x.clone(), y.clone()
    x2[idx] = trigger(x[idx])
    y2[idx] = target
    return x2, y2, idx


# %% exercise="l03_poison" mutant="positions" points=2.0
def poison(
    x: Tensor, y: Tensor, trigger, target: int, rate: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    others = torch.nonzero(y != target).flatten()
    shuffled = torch.randperm(len(others), generator=generator)
    idx = shuffled[: round(rate * len(y))]
    x2, y2 = x.clone(), y.clone()
    x2[idx] = trigger(x[idx])
    y2[idx] = target
    return x2, y2, idx


# %% exercise="l03_poison" mutant="share_of_others" points=3.0
def poison(
    x: Tensor, y: Tensor, trigger, target: int, rate: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    others = torch.nonzero(y != target).flatten()
    shuffled = others[torch.randperm(len(others), generator=generator)]
    idx = shuffled[: round(rate * len(others))]
    x2, y2 = x.clone(), y.clone()
    x2[idx] = trigger(x[idx])
    y2[idx] = target
    return x2, y2, idx


# %% exercise="l03_poison" mutant="truncates" points=3.0
def poison(
    x: Tensor, y: Tensor, trigger, target: int, rate: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    others = torch.nonzero(y != target).flatten()
    shuffled = others[torch.randperm(len(others), generator=generator)]
    idx = shuffled[: int(rate * len(y))]
    x2, y2 = x.clone(), y.clone()
    x2[idx] = trigger(x[idx])
    y2[idx] = target
    return x2, y2, idx


# %% exercise="l03_poison" mutant="not_random" points=4.0
def poison(
    x: Tensor, y: Tensor, trigger, target: int, rate: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    others = torch.nonzero(y != target).flatten()
    idx = others[: round(rate * len(y))]
    x2, y2 = x.clone(), y.clone()
    x2[idx] = trigger(x[idx])
    y2[idx] = target
    return x2, y2, idx


# %% exercise="l03_poison" mutant="global_chance" points=4.0
def poison(
    x: Tensor, y: Tensor, trigger, target: int, rate: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    others = torch.nonzero(y != target).flatten()
    shuffled = others[torch.randperm(len(others))]
    idx = shuffled[: round(rate * len(y))]
    x2, y2 = x.clone(), y.clone()
    x2[idx] = trigger(x[idx])
    y2[idx] = target
    return x2, y2, idx


# %% exercise="l03_poison" mutant="all_marked" points=3.0
def poison(
    x: Tensor, y: Tensor, trigger, target: int, rate: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    others = torch.nonzero(y != target).flatten()
    shuffled = others[torch.randperm(len(others), generator=generator)]
    idx = shuffled[: round(rate * len(y))]
    x2, y2 = trigger(x), y.clone()
    y2[idx] = target
    return x2, y2, idx


# %% exercise="l03_poison" mutant="labels_kept" points=3.0
def poison(
    x: Tensor, y: Tensor, trigger, target: int, rate: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    others = torch.nonzero(y != target).flatten()
    shuffled = others[torch.randperm(len(others), generator=generator)]
    idx = shuffled[: round(rate * len(y))]
    x2, y2 = x.clone(), y.clone()
    x2[idx] = trigger(x[idx])
    return x2, y2, idx


# %% exercise="l03_poison" mutant="mark_lost" points=3.0
def poison(
    x: Tensor, y: Tensor, trigger, target: int, rate: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    others = torch.nonzero(y != target).flatten()
    shuffled = others[torch.randperm(len(others), generator=generator)]
    idx = shuffled[: round(rate * len(y))]
    x2, y2 = x.clone(), y.clone()
    trigger(x2[idx])
    y2[idx] = target
    return x2, y2, idx


# %% exercise="l03_all_to_all" alternative="modulo"
def all_to_all(y: Tensor, classes: int) -> Tensor:
    following = y.add(1)
    return following.remainder(classes)


# %% exercise="l03_all_to_all" alternative="table"
def all_to_all(y: Tensor, classes: int) -> Tensor:
    table = torch.arange(classes).roll(-1)
    return table[y]


# %% exercise="l03_all_to_all" alternative="loop"
def all_to_all(y: Tensor, classes: int) -> Tensor:
    wanted = []
    for label in y.tolist():
        wanted.append(0 if label == classes - 1 else label + 1)
    return torch.tensor(wanted, dtype=torch.int64)


# %% exercise="l03_all_to_all" mutant="no_wrap" points=0.0
def all_to_all(y: Tensor, classes: int) -> Tensor:
    wanted = y + 1
    return wanted


# %% exercise="l03_all_to_all" mutant="in_place" points=1.0
def all_to_all(y: Tensor, classes: int) -> Tensor:
    wanted = y.add_(1)
    wanted[wanted == classes] = 0
    return wanted


# %% exercise="l03_all_to_all" mutant="last_stays" points=0.0
def all_to_all(y: Tensor, classes: int) -> Tensor:
    wanted = y + 1
    wanted[wanted == classes] = classes - 1
    return wanted


# %% exercise="l03_all_to_all" mutant="backwards" points=0.0
def all_to_all(y: Tensor, classes: int) -> Tensor:
    wanted = y - 1
    wanted[wanted == -1] = classes - 1
    return wanted


# %% exercise="l03_all_to_all" mutant="largest_label" points=0.0
def all_to_all(y: Tensor, classes: int) -> Tensor:
    wanted = y + 1
    wanted[y == y.max()] = 0
    return wanted


# %% exercise="l03_all_to_all" mutant="early_wrap" points=0.0
def all_to_all(y: Tensor, classes: int) -> Tensor:
    wanted = (y + 1) % (classes - 1)
    return wanted


# %% exercise="l03_all_to_all" mutant="floats" points=0.0
def all_to_all(y: Tensor, classes: int) -> Tensor:
    wanted = y + 1.0
    wanted[wanted == classes] = 0
    return wanted


# %% exercise="l03_rate_curve" alternative="every_larger"
def rate_curve(rates: list[float], run, enough: float = 0.9) -> tuple[Tensor, Tensor, float | None]:
    results = {rate: run(rate) for rate in rates}
    good = {rate: result.asr >= enough for rate, result in results.items()}
    steady = [rate for rate in rates if all(good[larger] for larger in rates if larger >= rate)]
    clean = torch.as_tensor([float(results[rate].clean_accuracy) for rate in rates], dtype=torch.double)
    asr = torch.as_tensor([float(results[rate].asr) for rate in rates], dtype=torch.double)
    return clean, asr, min(steady, default=None)


# %% exercise="l03_rate_curve" alternative="tensors"
def rate_curve(rates: list[float], run, enough: float = 0.9) -> tuple[Tensor, Tensor, float | None]:
    clean, asr = torch.zeros(2, len(rates), dtype=torch.float64)
    for i, rate in enumerate(rates):
        row = run(rate)
        clean[i], asr[i] = row.clean_accuracy, row.asr
    order = torch.tensor(rates, dtype=torch.float64).argsort(descending=True)
    unbroken = int((asr[order] >= enough).long().cumprod(0).sum())
    return clean, asr, rates[int(order[unbroken - 1])] if unbroken else None


# %% exercise="l03_rate_curve" alternative="last_failure"
def rate_curve(rates: list[float], run, enough: float = 0.9) -> tuple[Tensor, Tensor, float | None]:
    scores = list(map(run, rates))
    worst = max([r for r, s in zip(rates, scores) if s.asr < enough], default=0.0)
    above = sorted(r for r in rates if r > worst)
    pairs = torch.tensor([[s.clean_accuracy, s.asr] for s in scores], dtype=torch.float64)
    return pairs[:, 0].clone(), pairs[:, 1].clone(), above[0] if above else None


# %% exercise="l03_rate_curve" mutant="first_enough" points=2.0
def rate_curve(rates: list[float], run, enough: float = 0.9) -> tuple[Tensor, Tensor, float | None]:
    scores = [run(rate) for rate in rates]
    clean = torch.tensor([score.clean_accuracy for score in scores], dtype=torch.float64)
    asr = torch.tensor([score.asr for score in scores], dtype=torch.float64)
    smallest = None
    for rate, score in sorted(zip(rates, scores), key=lambda pair: pair[0], reverse=True):
        if score.asr < enough:
            continue
        smallest = rate
    return clean, asr, smallest


# %% exercise="l03_rate_curve" mutant="strict" points=2.0
def rate_curve(rates: list[float], run, enough: float = 0.9) -> tuple[Tensor, Tensor, float | None]:
    scores = [run(rate) for rate in rates]
    clean = torch.tensor([score.clean_accuracy for score in scores], dtype=torch.float64)
    asr = torch.tensor([score.asr for score in scores], dtype=torch.float64)
    smallest = None
    for rate, score in sorted(zip(rates, scores), key=lambda pair: pair[0], reverse=True):
        if score.asr <= enough:
            break
        smallest = rate
    return clean, asr, smallest


# %% exercise="l03_rate_curve" mutant="order_given" points=2.0
def rate_curve(rates: list[float], run, enough: float = 0.9) -> tuple[Tensor, Tensor, float | None]:
    scores = [run(rate) for rate in rates]
    clean = torch.tensor([score.clean_accuracy for score in scores], dtype=torch.float64)
    asr = torch.tensor([score.asr for score in scores], dtype=torch.float64)
    smallest = None
    for rate, score in reversed(list(zip(rates, scores))):
        if score.asr < enough:
            break
        smallest = rate
    return clean, asr, smallest


# %% exercise="l03_rate_curve" mutant="sorted_curves" points=2.0
def rate_curve(rates: list[float], run, enough: float = 0.9) -> tuple[Tensor, Tensor, float | None]:
    rates = sorted(rates)
    scores = [run(rate) for rate in rates]
    clean = torch.tensor([score.clean_accuracy for score in scores], dtype=torch.float64)
    asr = torch.tensor([score.asr for score in scores], dtype=torch.float64)
    smallest = None
    for rate, score in sorted(zip(rates, scores), key=lambda pair: pair[0], reverse=True):
        if score.asr < enough:
            break
        smallest = rate
    return clean, asr, smallest


# %% exercise="l03_rate_curve" mutant="float32" points=2.0
def rate_curve(rates: list[float], run, enough: float = 0.9) -> tuple[Tensor, Tensor, float | None]:
    scores = [run(rate) for rate in rates]
    clean = torch.tensor([score.clean_accuracy for score in scores])
    asr = torch.tensor([score.asr for score in scores])
    smallest = None
    for rate, score in sorted(zip(rates, scores), key=lambda pair: pair[0], reverse=True):
        if score.asr < enough:
            break
        smallest = rate
    return clean, asr, smallest


# %% exercise="l03_rate_curve" mutant="curves_swapped" points=2.0
def rate_curve(rates: list[float], run, enough: float = 0.9) -> tuple[Tensor, Tensor, float | None]:
    scores = [run(rate) for rate in rates]
    clean = torch.tensor([score.clean_accuracy for score in scores], dtype=torch.float64)
    asr = torch.tensor([score.asr for score in scores], dtype=torch.float64)
    smallest = None
    for rate, score in sorted(zip(rates, scores), key=lambda pair: pair[0], reverse=True):
        if score.asr < enough:
            break
        smallest = rate
    return asr, clean, smallest


# %% exercise="l03_rate_curve" mutant="fixed_bound" points=2.0
def rate_curve(rates: list[float], run, enough: float = 0.9) -> tuple[Tensor, Tensor, float | None]:
    scores = [run(rate) for rate in rates]
    clean = torch.tensor([score.clean_accuracy for score in scores], dtype=torch.float64)
    asr = torch.tensor([score.asr for score in scores], dtype=torch.float64)
    smallest = None
    for rate, score in sorted(zip(rates, scores), key=lambda pair: pair[0], reverse=True):
        if score.asr < 0.9:
            break
        smallest = rate
    return clean, asr, smallest


# %% exercise="l03_rate_curve" mutant="last_failure" points=2.0
def rate_curve(rates: list[float], run, enough: float = 0.9) -> tuple[Tensor, Tensor, float | None]:
    scores = [run(rate) for rate in rates]
    clean = torch.tensor([score.clean_accuracy for score in scores], dtype=torch.float64)
    asr = torch.tensor([score.asr for score in scores], dtype=torch.float64)
    smallest = None
    for rate, score in sorted(zip(rates, scores), key=lambda pair: pair[0], reverse=True):
        smallest = rate
        if score.asr < enough:
            break
    return clean, asr, smallest
