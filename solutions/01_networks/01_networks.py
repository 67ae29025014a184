# %% [markdown]
# One sentence of the story, and what one can do after this lesson.

# %% role="setup"
# written by the build

# %% [markdown] exercise="linear_relu"
# one layer of neurons
#
# Write `linear_relu`: every neuron's weighted sum of every image, and 0 where it is negative.

# %% role="answer" exercise="linear_relu"
def linear_relu(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
    """What a layer of M neurons says to N images.

    x: float32 (N, D), one image a row; N may be 0.
    W: float32 (M, D), one neuron a row, as torch.nn.Linear keeps them.
    b: float32 (M,), the neurons' biases.
    Returns float32 (N, M): max(0, W[k] . x[i] + b[k]) in row i, column k.
    Needed: no more than torch.  Forbidden: bdlab.

    Example: x = [[1., 2.]], W = [[1., 1.], [1., -1.]], b = [.5, .5]: the
    sums are 3.5 and -.5, the result is [[3.5, 0.]].
    """
    ### BEGIN SOLUTION
    sums = x @ W.T + b  # (N, M)
    return sums.clamp_min(0)
    ### END SOLUTION

# %% [markdown] exercise="accuracy"
# how often is it right?
#
# Write `accuracy`: the share of images that a network reads rightly, asked in batches.

# %% role="answer" exercise="accuracy"
def accuracy(model, x: Tensor, y: Tensor, batch: int) -> float:
    """The share of images that the model reads rightly.

    model: images (n, C, H, W) -> logits (n, K).  It comes in train or in
        eval mode, is asked in eval mode and without gradients, and is left
        as it came.
    x: float32 (N, C, H, W), N >= 1.  y: int64 (N,), the true classes.
    batch: how many images fit into memory at once; it may be more than N,
        and need not divide it.
    Returns a float in [0, 1].
    Needed: no more than torch.  Forbidden: bdlab.

    Example: 5 images, batch 2: the model is asked three times, for 2, 2 and
    1 images.  4 of 5 right: the result is 0.8.
    """
    ### BEGIN SOLUTION
    training = model.training
    model.eval()
    right = 0
    with torch.no_grad():
        for start in range(0, len(x), batch):
            read = model(x[start : start + batch]).argmax(1)  # (n,)
            right += (read == y[start : start + batch]).sum().item()
    model.train(training)
    return right / len(x)
    ### END SOLUTION

# %% [markdown] exercise="softmax_xent"
# how wrong is it?
#
# Write `softmax_xent`: the mean of -log(softmax at y).

# %% role="answer" exercise="softmax_xent"
def softmax_xent(logits: Tensor, y: Tensor) -> Tensor:
    """The mean cross-entropy of a batch: the mean of -log(softmax at y).

    logits: float32 (N, K), up to 10,000 in size; they stay as they are.
    y: int64 (N,), the true classes.
    Returns a float32 tensor without axes, through which gradients flow.
    Forbidden: bdlab, and ready-made losses (cross_entropy, nll_loss).

    Example: logits [[0., log 3], [2., 2.]], y [0, 1]: the shares of the
    true classes are 1/4 and 1/2, the losses log 4 and log 2, the result
    1.0397.
    """
    ### BEGIN SOLUTION
    shifted = logits - logits.max(1, keepdim=True).values  # (N, K), <= 0
    log_sums = shifted.exp().sum(1).log()  # (N,)
    rows = torch.arange(len(y))
    return (log_sums - shifted[rows, y]).mean()
    ### END SOLUTION

# %% [markdown] exercise="train_epoch"
# one pass over the training set
#
# Write `train_epoch`.

# %% role="answer" exercise="train_epoch"
def train_epoch(model, loader, optimiser) -> float:
    """Train a model by one pass over the loader; the mean loss on the way.

    model: images (n, C, H, W) -> logits (n, K); it comes in either mode and
        may hold gradients that somebody left.  It is trained in train mode.
    loader: gives pairs x float32 (n, C, H, W), y int64 (n,); the last one
        may be shorter.
    optimiser: moves the model's weights; one step for each pair.
    Returns the mean cross-entropy over all images, each taken as its batch
    was met, before the step: a float.
    Needed: no more than torch; F.cross_entropy is the loss of one batch.
    Forbidden: bdlab.

    Example: batches of 4 and 2 images with losses 1.0 and 4.0: the result is
    (4 * 1.0 + 2 * 4.0) / 6 = 2.0.
    """
    ### BEGIN SOLUTION
    model.train()
    total, count = 0.0, 0
    for x, y in loader:
        optimiser.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimiser.step()
        total += loss.item() * len(y)
        count += len(y)
    return total / count
    ### END SOLUTION

# %% [markdown] role="essay"
# Write your answer here, at most 250 words.
