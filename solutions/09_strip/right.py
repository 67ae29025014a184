"""Right answers of lesson 09 in other styles; the references stand in 09_strip.py."""


# %% exercise="entropy" alternative="entr"
def entropy(probs: Tensor) -> Tensor:
    nats = torch.special.entr(probs)
    return nats.sum(dim=-1) / torch.log(torch.tensor(2.0))


# %% exercise="entropy" alternative="where"
def entropy(probs: Tensor) -> Tensor:
    positive = torch.where(probs > 0, probs, torch.ones_like(probs))
    return torch.einsum("nk,nk->n", probs, -positive.log2())


# %% exercise="entropy" alternative="loop"
def entropy(probs: Tensor) -> Tensor:
    found = []
    for row in probs:
        there = row[row > 0]
        found.append((there * (1 / there).log2()).sum())
    return torch.stack(found)


# %% exercise="superimpose" alternative="unsqueeze"
def superimpose(x: Tensor, overlays: Tensor, mode: str) -> Tensor:
    pairs = x.unsqueeze(1).add(overlays.unsqueeze(0))
    if mode == "add_clip":
        pairs = torch.minimum(pairs, torch.ones(()))
    return pairs


# %% exercise="superimpose" alternative="loop"
def superimpose(x: Tensor, overlays: Tensor, mode: str) -> Tensor:
    rows = []
    for image in x:
        row = torch.stack([image + overlay for overlay in overlays])
        rows.append(row)
    pairs = torch.stack(rows)
    if mode == "add_clip":
        pairs[pairs > 1] = 1
    return pairs


# %% exercise="strip_scores" alternative="all at once"
def strip_scores(model, x: Tensor, overlays: Tensor, mode: str) -> Tensor:
    was = {module: module.training for module in model.modules()}
    model.eval()
    pairs = x[:, None] + overlays[None]
    if mode != "add":
        pairs = pairs.clip(0, 1)
    with torch.inference_mode():
        logp = model(pairs.flatten(0, 1)).log_softmax(-1).double()
    for module, training in was.items():
        module.training = training
    bits = -(logp.exp() * logp).sum(-1) / torch.log(torch.tensor(2.0))
    return bits.view(len(x), len(overlays)).mean(1).float().clone()


# %% exercise="strip_scores" alternative="overlay by overlay"
@torch.no_grad()
def strip_scores(model, x: Tensor, overlays: Tensor, mode: str) -> Tensor:
    mode_of_model = model.training
    model.train(False)
    total = torch.zeros(len(x))
    for overlay in overlays:
        mixed = x + overlay
        if mode == "add_clip":
            mixed = torch.where(mixed > 1, torch.ones_like(mixed), mixed)
        shares = torch.softmax(model(mixed), dim=1)
        total = total + torch.special.entr(shares).sum(1) / 0.6931471805599453
    model.train(mode_of_model)
    return total / len(overlays)


# %% exercise="frr_far" alternative="statistics"
def frr_far(benign: Tensor, trojan: Tensor, frr: float, how: str) -> dict[str, float]:
    import statistics

    scores = benign.tolist()
    if how == "quantile":
        line = float(benign.quantile(frr))
    else:
        line = statistics.fmean(scores) + statistics.NormalDist().inv_cdf(frr) * statistics.pstdev(scores)
    refused = sum(score < line for score in scores)
    passed = sum(not score < line for score in trojan.tolist())
    return {"boundary": line, "frr": refused / len(scores), "far": passed / len(trojan)}


# %% exercise="frr_far" alternative="scipy"
def frr_far(benign: Tensor, trojan: Tensor, frr: float, how: str) -> dict[str, float]:
    import numpy
    from scipy import stats

    values = benign.numpy()
    fitted = stats.norm.ppf(frr, values.mean(), values.std()) if how == "normal" else numpy.quantile(values, frr)
    return {
        "far": float(numpy.mean(trojan.numpy() >= fitted)),
        "frr": float(numpy.mean(values < fitted)),
        "boundary": float(fitted),
    }
