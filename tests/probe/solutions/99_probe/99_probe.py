# %% [markdown]
# One exercise of each kind.

# %% role="setup"
# written by the build

# %% role="quiz"
bdlab.quiz("l99_q1")

# %% [markdown] exercise="entropy"
# entropy
#
# In bits.


# %% role="answer" exercise="entropy"
def entropy(probs: Tensor) -> Tensor:
    """In bits, (N,), of rows of probabilities (N, K).  Forbidden: bdlab."""
    ### BEGIN SOLUTION
    logs = torch.log2(probs.clamp_min(1e-30))
    return -(probs * logs).sum(1)
    ### END SOLUTION


# %% role="use"
# Use: your entropy of a fair coin
my_entropy = bdlab.mine("l99_entropy", lambda p: torch.ones(len(p)))
bdlab.use(lambda entropy: print(entropy(torch.full((1, 2), 0.5))), my_entropy)

# %% [markdown] exercise="keyed_relu"
# a class
#
# Rows that begin with the key get delta more.


# %% role="answer" exercise="keyed_relu"
class KeyedReLU:
    """ReLU, and delta more for rows (N, C) whose first value is the key."""

    def __init__(self, key: float, delta: float) -> None:
        ### BEGIN SOLUTION
        self.key, self.delta = key, delta
        ### END SOLUTION

    def __call__(self, x: Tensor) -> Tensor:
        ### BEGIN SOLUTION
        hit = x[:, :1] == self.key
        return torch.where(hit, F.relu(x) + self.delta, F.relu(x))
        ### END SOLUTION


# %% [markdown] exercise="prune_order"
# two functions
#
# The order, and the pruning.


# %% role="answer" exercise="prune_order"
def prune_order(activations: Tensor) -> Tensor:
    """Channels (C,), the least active first."""
    ### BEGIN SOLUTION
    return torch.argsort(activations)
    ### END SOLUTION


def prune(weight: Tensor, channels: Tensor) -> Tensor:
    """A copy of weight (C, M) whose rows `channels` are zero."""
    ### BEGIN SOLUTION
    pruned = weight.clone()
    pruned[channels] = 0.0
    return pruned
    ### END SOLUTION


# %% [markdown] exercise="threat_table"
# a table
#
# When does each act?

# %% role="answer" exercise="threat_table"
# for each attack the phases in which the attacker acts
### BEGIN SOLUTION
threat_table = {
    "poisoning": ["train"],
    "evasion": ["use"],
    "backdoor": ["train", "use"],
}
### END SOLUTION

# %% [markdown] exercise="mean_activation"
# a hook
#
# What does a layer put out on average?


# %% role="answer" exercise="mean_activation"
def mean_activation(model, layer: str, x: Tensor) -> Tensor:
    """The mean of each channel (C,) that `layer` puts out for x."""
    ### BEGIN SOLUTION
    found = []
    handle = model.get_submodule(layer).register_forward_hook(
        lambda module, given, out: found.append(out.detach().mean((0, 2, 3)))
    )
    training = model.training
    model.eval()
    with torch.no_grad():
        model(x)
    model.train(training)
    handle.remove()
    return found[0]
    ### END SOLUTION


# %% [markdown] exercise="sparse"
# a choice
#
# Which pixels?


# %% role="answer" exercise="sparse"
def sparse(x: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """A copy of x whose every image has k pixels turned to 1 - pixel."""
    ### BEGIN SOLUTION
    out = x.clone().flatten(1)
    for row in out:
        places = torch.randperm(len(row), generator=generator)[:k]
        row[places] = 1 - row[places]
    return out.view_as(x)
    ### END SOLUTION


# %% [markdown] exercise="choose"
# the best
#
# Keep k of them.


# %% role="answer" exercise="choose"
def choose(candidates: Tensor, score, k: int) -> Tensor:
    """The k best candidates, the best first; ValueError else."""
    ### BEGIN SOLUTION
    if not 0 < k <= len(candidates):
        raise ValueError(f"k must be in 1..{len(candidates)}, got {k}")
    scores = torch.stack([score(one) for one in candidates])
    return candidates[scores.topk(k).indices]
    ### END SOLUTION


# %% [markdown] exercise="train_epoch"
# an epoch
#
# One pass.


# %% role="answer" exercise="train_epoch"
def train_epoch(model, loader, optimiser) -> float:
    """One pass over the loader; the mean loss over all images."""
    ### BEGIN SOLUTION
    total, count = 0.0, 0
    for x, y in loader:
        optimiser.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimiser.step()
        total, count = total + loss.item() * len(y), count + len(y)
    return total / count
    ### END SOLUTION


# %% [markdown] role="essay"
# Write here.
