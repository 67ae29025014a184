"""Right answers of lesson 06 in other styles; the references stand in 06_reflection.py."""


# %% exercise="gaussian_kernel" alternative="loops"
def gaussian_kernel(size: int, sigma: float) -> Tensor:
    if size <= 0 or size % 2 != 1 or sigma <= 0:
        raise ValueError("size or sigma")
    middle, rows = (size - 1) / 2, []
    for i in range(size):
        rows.append([2.718281828459045 ** (-((i - middle) ** 2 + (j - middle) ** 2) / (2 * sigma * sigma)) for j in range(size)])
    total = sum(map(sum, rows))
    return torch.tensor([[value / total for value in row] for row in rows])


# %% exercise="gaussian_kernel" alternative="softmax"
def gaussian_kernel(size: int, sigma: float) -> Tensor:
    if sigma <= 0 or size not in range(1, 1000, 2):
        raise ValueError(f"{size=} {sigma=}")
    steps = torch.linspace(-(size // 2), size // 2, size) / sigma
    weights = (-0.5 * steps.square()).softmax(0)
    return torch.outer(weights, weights)


# %% exercise="ghost_kernel" alternative="diagonal"
def ghost_kernel(delta: int, alpha: float) -> Tensor:
    if delta == 0:
        return torch.ones(1, 1)
    return torch.diag(torch.tensor([1 - alpha] + [0.0] * (delta - 1) + [alpha]))


# %% exercise="ghost_kernel" alternative="sum"
def ghost_kernel(delta: int, alpha: float) -> Tensor:
    side = 1 + delta
    cells = torch.arange(side * side)
    first, last = (cells == side * side - 1).float(), (cells == 0).float()
    return (alpha * first + (1 - alpha) * last).reshape(side, side)


# %% exercise="reflect" alternative="grouped"
def reflect(x: Tensor, r: Tensor, kernel: Tensor, w: float) -> Tensor:
    channels = r.shape[0]
    weight = kernel.repeat(channels, 1, 1, 1)
    mirrored = torch.nn.functional.conv2d(r.pow(2.2).unsqueeze(0), weight, groups=channels)
    return torch.lerp(x.pow(2.2), mirrored.expand_as(x), w).clamp(min=0, max=1).pow(1 / 2.2)


# %% exercise="reflect" alternative="loop"
def reflect(x: Tensor, r: Tensor, kernel: Tensor, w: float) -> Tensor:
    height, width = x.shape[-2:]
    scene = torch.zeros_like(x[0])
    for a, row in enumerate(kernel.tolist()):
        for b, weight in enumerate(row):
            scene += weight * r[:, a : a + height, b : b + width] ** 2.2
    return torch.stack([((1 - w) * one**2.2 + w * scene).clamp(0, 1) ** (1 / 2.2) for one in x])


# %% exercise="ssim_like" alternative="moments"
def ssim_like(x: Tensor, x2: Tensor) -> Tensor:
    axes = (1, 2, 3)
    m, m2 = x.mean(axes, keepdim=True), x2.mean(axes, keepdim=True)
    v, v2 = ((x - m) ** 2).mean(axes), ((x2 - m2) ** 2).mean(axes)
    c = ((x - m) * (x2 - m2)).mean(axes)
    m, m2 = m.flatten(), m2.flatten()
    top = (2 * m * m2 + 1e-4) * (2 * c + 9e-4)
    return top / ((m**2 + m2**2 + 1e-4) * (v + v2 + 9e-4))


# %% exercise="ssim_like" alternative="loop"
def ssim_like(x: Tensor, x2: Tensor) -> Tensor:
    results = []
    for one, other in zip(x, x2):
        pixels = torch.stack([one.reshape(-1), other.reshape(-1)])
        m, m2 = pixels.mean(1)
        (v, c), (_, v2) = torch.cov(pixels, correction=0)
        results.append((2 * m * m2 + 0.0001) * (2 * c + 0.0009) / ((m * m + m2 * m2 + 0.0001) * (v + v2 + 0.0009)))
    return torch.stack(results)


# %% exercise="choose" alternative="sorted"
def choose(similarity: Tensor, score: Tensor, bounds: tuple[float, float], k: int) -> Tensor:
    numbers = [i for i, s in enumerate(similarity) if bounds[0] < s < bounds[1]]
    numbers.sort(key=lambda i: -float(score[i]))
    return torch.tensor(numbers[:k], dtype=torch.int64)


# %% exercise="choose" alternative="masked"
def choose(similarity: Tensor, score: Tensor, bounds: tuple[float, float], k: int) -> Tensor:
    passes = (similarity > bounds[0]) & (similarity < bounds[1])
    masked = score.masked_fill(~passes, -float("inf"))
    best = masked.sort(descending=True, stable=True).indices
    return best[: min(k, int(passes.sum()))]
