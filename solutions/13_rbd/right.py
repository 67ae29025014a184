"""Right answers of lesson 13 in other styles; the references stand in 13_rbd.py."""


# %% exercise="unlearn_loss" alternative="by hand"
def unlearn_loss(shadow: Tensor, teacher: Tensor) -> Tensor:
    goal = torch.log_softmax(-0.5 * teacher, dim=-1)
    return (goal.exp() * (goal - torch.log_softmax(shadow, dim=-1))).sum(-1).mean()


# %% exercise="unlearn_loss" alternative="logsumexp"
def unlearn_loss(shadow: Tensor, teacher: Tensor) -> Tensor:
    goal = torch.softmax(teacher / -2, 1)
    logs = shadow - shadow.logsumexp(1, keepdim=True)
    return (torch.xlogy(goal, goal) - goal * logs).sum() / len(shadow)


# %% exercise="shadow_step" alternative="detach"
def shadow_step(shadow, teacher, x: Tensor, optimiser) -> float:
    optimiser.zero_grad(set_to_none=True)
    goal = (teacher(x).detach() / -2).log_softmax(1)
    found = (goal.exp() * (goal - shadow(x).log_softmax(1))).sum() / len(x)
    found.backward()
    optimiser.step()
    return float(found)


# %% exercise="shadow_step" alternative="inference mode"
def shadow_step(shadow, teacher, x: Tensor, optimiser) -> float:
    with torch.inference_mode():
        answers = teacher(x)
    wanted = torch.softmax(-answers.clone() / 2, 1)
    shadow.zero_grad()
    total = torch.nn.KLDivLoss(reduction="batchmean")(torch.log_softmax(shadow(x), 1), wanted)
    total.backward()
    optimiser.step()
    return total.item()


# %% exercise="rbd_score" alternative="indices"
@torch.no_grad()
def rbd_score(model, shadow, x: Tensor) -> Tensor:
    before = model.training, shadow.training
    chosen = model.eval()(x).max(1).indices
    shares = torch.softmax(shadow.eval()(x), -1)
    model.train(before[0])
    shadow.train(before[1])
    return shares[torch.arange(len(x)), chosen]


# %% exercise="rbd_score" alternative="one-hot"
def rbd_score(model, shadow, x: Tensor) -> Tensor:
    found = []
    for net in (model, shadow):
        was = net.training
        net.eval()
        with torch.inference_mode():
            found.append(net(x))
        net.train(was)
    return (F.one_hot(found[0].argmax(1), found[0].shape[1]) * found[1].softmax(1)).sum(1)


# %% exercise="guard" alternative="topk"
def guard(model, shadow, clean: Tensor, fpr: float):
    @torch.no_grad()
    def score(images):
        return shadow(images).softmax(1)[torch.arange(len(images)), model(images).argmax(1)]

    line = score(clean).topk(int(fpr * len(clean)) + 1).values.min()

    def alarm(images):
        return score(images).gt(line)

    return alarm


# %% exercise="guard" alternative="sorted"
def guard(model, shadow, clean: Tensor, fpr: float):
    class Guard:
        def scores(self, x):
            with torch.no_grad():
                rows, chosen = shadow(x).softmax(1), model(x).argmax(1)
            return torch.stack([row[c] for row, c in zip(rows, chosen)])

        def __call__(self, x):
            return self.scores(x) > self.line

    made = Guard()
    made.line = sorted(made.scores(clean).tolist(), reverse=True)[int(fpr * len(clean))]
    return made
