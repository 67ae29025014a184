# %% [markdown]
# The city also buys readers of digits, for house numbers and meters. This time it has nothing to test them with: no image, no label, only the network itself.
#
# ![Two rows of ten generated triggers with their sizes. In reader A that for class 0 is a few pixels, far smaller than the others; in reader C none is](attachment:opening.png)
#
# Ask the network what would turn *any* image into a 0, a 1, ... a 9. One answer is too short. You build that inspection, and learn when it must say 'I cannot tell'.

# %% role="setup"
# written by the build

# %% [markdown]
# Attack only models and data that are yours: [responsible use](../../docs/lessons-how.md#responsible-use). New here?
# [How the exercises work](../../docs/lessons-how.md).

# %% [markdown]
# ## 1 · Where this defence stands
#
# **Inspection** judges the network, before anybody uses it. DeepInspect (Chen and others, 2019) claims to need no clean image. It needs more than answers, though: gradients run through the model.
#
# Words. **Trigger**: a change that turns images into one class. **ASR**: of the marked images of other classes, the share that the reader calls what the attacker wants. **Clean accuracy**: the share of unmarked images read rightly.

# %% role="demo"
# Demo: the map of defences
bdlab.plots.families("model inspection")

# %% [markdown]
# Four readers, **A**, **B**, **C**, **D**, read digits equally well. At least one is honest. Nobody tells you more before section 7.
#
# The lecture's order is ours: make images (its figure 2), train a generator of triggers (figure 3), ask which trigger is too small (figure 4).

# %% [markdown]
# ## 2 · Images from nothing

# %% role="quiz"
bdlab.quiz("l12_inverted")

# %% [markdown]
# **Model inversion**: begin with grey noise, and push the pixels until the model is sure of a class t. The paper's cost is c(x) = 1 - p_t(x), plus something that keeps images natural; here each step is smoothed a little.
#
# The gradient's *length* says little: near p_t = 0 it all but vanishes. So each image's step is scaled to one size.

# %% [markdown] exercise="invert_class"
# images that a model is sure of
#
# Write `invert_class`.

# %% role="answer" exercise="invert_class"
def invert_class(
    model, t: int, x: Tensor, steps: int, lr: float, smooth
) -> Tensor:
    """Images that the model takes for class t, made from others.

    model: images (B, C, H, W) in [0, 1] -> logits (B, K).  It comes in train
        or in eval mode, is asked in eval mode, and is left as it came; no
        gradient stays on its weights.
    t: the class.
    x: float32 (N, C, H, W), the images to begin with.
    steps: how many.  lr: how far a pixel moves in a step, on average.
    smooth: a function, images (N, C, H, W) -> smoother ones of that shape.
    A step: let g be the gradient of an image's cost 1 - p_t by its pixels,
        p_t the softmax probability of t.  Divide g, image by image, by the
        mean of |g| over that image (by 1e-12 at least).  The new image is
        x - lr * g, then smoothed, then cut to [0, 1].
    Returns float32 (N, C, H, W), detached.
    Forbidden: bdlab.
    """
    ### BEGIN SOLUTION
    training = model.training
    model.eval()
    for _ in range(steps):
        pixels = x.detach().clone().requires_grad_()
        cost = (1 - model(pixels).softmax(1)[:, t]).sum()
        (slope,) = torch.autograd.grad(cost, pixels)
        size = slope.abs().mean((1, 2, 3), keepdim=True).clamp_min(1e-12)
        x = smooth(x - lr * slope / size).clamp(0, 1)
    model.train(training)
    return x
    ### END SOLUTION

# %% role="use"
# Use: one image a class, of an infected and of an honest reader (5 s)
from bdlab.lessons import l12_deepinspect, l12_figures

my_invert = bdlab.mine(
    "l12_invert_class", l12_deepinspect.invert_class,
    like=l12_deepinspect.noise(0, 1),
)
bdlab.use(l12_figures.made_up, my_invert)

# %% [markdown]
# **Reflect.** The readers are sure, and you would not read a single digit. Is that a fault of your function? Look at A's "0": what stands where?
#
# <details><summary>Our answer</summary>
#
# No. The cost asks what the model is sure of, and far more than digits passes. In A's "0" a white block stands in the lower right corner, in C's there is none. And some do not get there: C's "1" ends at 15 %. Such images are dropped later.
# </details>

# %% [markdown]
# ## 3 · A generator of triggers

# %% role="quiz"
bdlab.quiz("l12_fixed")

# %% [markdown]
# A small network G takes noise z and a class t, and puts out a change. Image plus change, cut to [0, 1], goes into the model. G learns small changes that send every image to t.
#
# - **L_trigger** = -log p_t: the model must say t.
# - **L_GAN** = (p_t - 1)²: the paper's 'discriminator' is the model under test, and is fixed. That p_t is its output is our reading of the paper.
# - **L_pert** = max(0, |change|₁ - threshold): up to the threshold a change costs nothing.

# %% [markdown] exercise="generator_loss"
# what the generator shall make small
#
# Write `generator_loss`.

# %% role="answer" exercise="generator_loss"
def generator_loss(
    logits: Tensor, delta: Tensor, t: Tensor,
    threshold: float, gamma1: float, gamma2: float,
) -> Tensor:
    """The loss of a batch of changed images.

    logits: float32 (B, K), what the model says of them.
    delta: float32 (B, C, H, W), what was added, of either sign.
    t: int64 (B,), the class that each is to become.
    Of each image, p_t being the softmax probability of its own t:
        L_trigger = -log p_t,  L_GAN = (p_t - 1) ** 2,
        L_pert = max(0, size - threshold), where size is the sum of |delta|
        over all channels and pixels of that image.
    Returns a tensor without axes: the mean over the images of
    L_trigger + gamma1 * L_GAN + gamma2 * L_pert.  It must be finite also
    where p_t is too small for float32, and gradients run through it.
    Forbidden: bdlab.

    Example: one image, p_t = .5, size 3, threshold 1, gamma1 = gamma2 = 1:
    .693 + .25 + 2 = 2.943.
    """
    ### BEGIN SOLUTION
    log_p = logits.log_softmax(1)[torch.arange(len(t)), t]  # (B,)
    gan = (log_p.exp() - 1) ** 2
    size = delta.abs().flatten(1).sum(1)  # (B,)
    over = (size - threshold).relu()
    return (-log_p + gamma1 * gan + gamma2 * over).mean()
    ### END SOLUTION

# %% role="use"
# Use: your loss trains the generator for two classes (about 10 s)
from bdlab.lessons import l12_deepinspect, l12_figures

my_loss = bdlab.mine(
    "l12_generator_loss", l12_deepinspect.generator_loss,
    like=torch.tensor(0.0), seconds=60,
)
bdlab.use(lambda loss: l12_figures.trained(loss, classes=(0, 4)), my_loss)

# %% [markdown]
# Two of ten. Training is held at about 97 % success: gamma2 of a class grows while its triggers succeed more often, and else shrinks. So sizes are compared at equal success. All ten, of all four readers, were made beforehand.

# %% role="demo"
# Demo: ten sizes of each reader, three scans (made without an image)
from bdlab.lessons import l12_figures

l12_figures.all_sizes()

# %% role="quiz"
bdlab.quiz("l12_small")

# %% [markdown]
# ## 4 · Too small?
#
# In one picture the eye decides. A report needs a number: how far below the others does a class lie, in units of what is usual? The slide calls it MAD and prints the *mean* absolute deviation about the mean. Neural Cleanse, and with another twist DeepInspect, take the *median*. You write both.

# %% [markdown] exercise="deviation_factor"
# how far below the others
#
# Write `deviation_factor`.

# %% role="answer" exercise="deviation_factor"
def deviation_factor(values: Tensor, kind: str) -> Tensor:
    """How far below its row's centre each value lies, in spreads.

    values: float32 (M, K), a row for each model, a value for each class.
    kind: 'mean', the slide's form: centre = the row's mean, spread = the
        mean of |value - centre|.
        'median': centre = the row's median, spread = 1.4826 * the median of
        |value - centre|.  The median of an even number of values is the mean
        of the middle two.
    Returns float32 (M, K): (centre - value) / spread.  Values above the
    centre get a negative factor: only small triggers are suspicious.
    Raises: ValueError where a row has spread 0; nothing can be said then.
    Forbidden: bdlab.

    Example: [[10, 12, 2, 8]], 'mean': the mean is 8, the spread 3, and the
    factors are [[-.67, -1.33, 2, 0]].
    """
    ### BEGIN SOLUTION
    if kind == "mean":
        centre = values.mean(1, keepdim=True)  # (M, 1)
        away = (values - centre).abs()
        spread = away.mean(1, keepdim=True)
    else:
        centre = values.quantile(0.5, dim=1, keepdim=True)
        away = (values - centre).abs()
        spread = 1.4826 * away.quantile(0.5, dim=1, keepdim=True)
    if (spread == 0).any():
        raise ValueError("no spread")
    return (centre - values) / spread
    ### END SOLUTION

# %% role="use"
# Use: both forms on A and on C; then logarithms=False, as in the paper
from bdlab.lessons import l12_deepinspect, l12_figures

my_factor = bdlab.mine(
    "l12_deviation_factor", l12_deepinspect.deviation_factor
)
bdlab.use(
    lambda factor: l12_figures.factors(factor, logarithms=True), my_factor
)

# %% role="quiz"
bdlab.quiz("l12_mask")

# %% role="use"
# Use: what if the attacker infects two classes, or three?
from bdlab.lessons import l12_deepinspect, l12_figures

bdlab.use(
    l12_figures.hidden,
    bdlab.mine("l12_deviation_factor", l12_deepinspect.deviation_factor),
)

# %% [markdown]
# **Reflect.** The slide's form has a ceiling: n / 2k for k equal outliers among n. Why? And what does the median form say where all others are equal?
#
# <details><summary>Our answer</summary>
#
# Let the others be m, the outliers m - d. The mean is m - kd/n. An outlier lies d(n - k)/n below it; the mean distance is 2dk(n - k)/n². The quotient is n / 2k. The median of distances is 0 there, your function raises, and **cannot say** is the right answer.
# </details>

# %% [markdown]
# ## 5 · From where on?

# %% role="quiz"
bdlab.quiz("l12_two")

# %% [markdown] exercise="family_cutoff"
# a cut-off for the whole model
#
# Write `family_cutoff`. Simulate honest models, and see how large their largest factor gets. You may call your `deviation_factor`, or write it out again.

# %% role="answer" exercise="family_cutoff"
def family_cutoff(
    n: int, kind: str, alpha: float, generator: torch.Generator
) -> float:
    """The cut-off that a share alpha of honest models exceeds.

    n: classes of a model.  kind: 'mean' or 'median', as deviation_factor.
    alpha: the share of honest models that may raise an alarm, .05 say.
    generator: the source of chance.  Draw 4,000 honest models at once:
        torch.randn(4000, n, generator=generator).
    A model raises an alarm where its largest factor exceeds the cut-off.
    Returns a float: the (1 - alpha) quantile, as torch.quantile has it, of
    the largest factors.
    Forbidden: bdlab.
    """
    ### BEGIN SOLUTION
    models = torch.randn(4000, n, generator=generator)
    if kind == "mean":
        below = models.mean(1, keepdim=True) - models
    else:
        below = models.quantile(0.5, dim=1, keepdim=True) - models
    away = below.abs()
    if kind == "mean":
        spread = away.mean(1, keepdim=True)
    else:
        spread = 1.4826 * away.quantile(0.5, dim=1, keepdim=True)
    largest = (below / spread).amax(1)  # (4000,)
    return float(largest.quantile(1 - alpha))
    ### END SOLUTION

# %% role="use"
# Use: your cut-offs, beside what the paper's 2 does
from bdlab.lessons import l12_deepinspect, l12_figures

my_cutoff = bdlab.mine("l12_family_cutoff", l12_deepinspect.family_cutoff)
bdlab.use(l12_figures.cut, my_cutoff)

# %% [markdown]
# The paper's 2 is the 5 % bound of *one* class. A model of ten has ten chances, and a spread out of ten values is itself a guess. Move the bar: whom does each cut-off accuse?

# %% role="demo"
# Demo: the cut-off, 200 simulated honest models, four real readers
# (a still picture: l12_figures.crowd(2.0); also cutoffs("mean"))
from bdlab.lessons import l12_figures

l12_figures.cutoffs()

# %% [markdown]
# **Questions for the bar.** How many honest models does 2 accuse, and which readers? Where is A accused in every scan, and nobody else in any?
#
# <details><summary>Our answers</summary>
#
# 64 of 200; A and B in all three scans, C in one, D in two. From 3.84 to 4.5 only A is left, and 5 to 0 of 200. Three scans of *one* reader differ as much as two readers do.
# </details>

# %% [markdown]
# ## 6 · Your inspection
#
# All four functions. Your inversion makes eighty images of reader A, your loss trains the generator for two of its classes; the other sizes are those from before. Your factor and your cut-off judge all readers, and one scan that was stopped too early.

# %% role="use"
# Use: your inspection (about 15 s); also kind="mean", alpha=.01
from bdlab.lessons import l12_deepinspect, l12_inspector

inspection = l12_inspector.Inspection(
    kind="median", alpha=0.05, classes=(0, 8)
)
bdlab.use(
    inspection,
    bdlab.mine(
        "l12_invert_class", l12_deepinspect.invert_class,
        like=l12_deepinspect.noise(0),
    ),
    bdlab.mine(
        "l12_generator_loss", l12_deepinspect.generator_loss,
        like=torch.tensor(0.0), seconds=60,
    ),
    bdlab.mine("l12_deviation_factor", l12_deepinspect.deviation_factor),
    bdlab.mine("l12_family_cutoff", l12_deepinspect.family_cutoff),
)

# %% [markdown]
# **Your finding.** A is accused, of class 0, and nobody else. Your own two classes move A's factor: in six tries it lay between 3.3 and 4.4, twice below the cut-off. Take `kind="mean"`, and B is accused, too, by a hair: 3.09 at 3.05. Whoever chooses the form after seeing the verdicts finds what they like: it must be chosen before.
#
# 'Cannot say' is a verdict: where too few classes have a trigger that works, the spread of the rest means nothing.

# %% [markdown]
# ## 7 · How far can it be trusted?
#
# Four readers are an anecdote. So five more were trained: three honest ones, and two with a mark that makes 3 or 6. And now you are told: A and B are infected, C and D are honest.

# %% role="demo"
# Demo: nine readers, no image given, measured before
from bdlab.lessons import l12_measured

l12_measured.many()

# %% [markdown]
# At the family cut-off the three readers with a small mark are found in all five scans, B in none of three, and of nine scans of five honest readers none is accused. At 2 all infected ones are found, and **four of nine honest scans** accused.
#
# Which class would an honest reader be accused of? Always 8 or 2: some classes are near by nature.

# %% [markdown]
# **Neural Cleanse** (2019) looks for a *mask* and a pattern, class by class, and needs clean images. Does a defender who has a thousand see more?

# %% role="demo"
# Demo: what both find in reader A
from bdlab.lessons import l12_measured

l12_measured.cleansed()

# %% role="demo"
# Demo: four readers, three ways of looking
from bdlab.lessons import l12_measured

l12_measured.compared()

# %% [markdown]
# With images A stands out further, for both methods. B is found with them by the generator, at 4.6, not by Neural Cleanse. And **honest C is accused**, of class 2, at 4.06. The cut-off allows 5 % of honest models, if their logarithms are normal, which nobody promised. One scan each.

# %% [markdown]
# ## 8 · The true mark
#
# Until here nobody has shown it to you, or to any of your functions.

# %% role="demo"
# Demo: the true marks of A and B, and what was found in their place
from bdlab.lessons import l12_figures

l12_figures.truth()

# %% [markdown]
# **Reflect.** A's true change has size 9; the one that was found has 8, looks otherwise, and turns 90 % of real digits. Why is B, with a mark that works on every digit, so much harder to accuse?
#
# <details><summary>Our answer</summary>
#
# Its mark is a pale picture over everything, of size 60: half of what its other classes take, nothing tiny. The method looks for a *small* way to a class. What it found turns 64 % of real digits, for it was made on blots.
# </details>

# %% [markdown]
# ## 9 · Paper and here
#
# *Optional, 5 minutes.* The paper prints its factors as bars only. What can be checked: every infected model above 2, every honest one below (figure 4a), the infected class's change the smallest (figure 4b).
#
# Here, on digits: three scans a reader, sizes as they are, median form, 2: A lies above in 3 of 3, B in 2 of 3, but honest C and D in 1 of 3 each. The infected class has the smallest change in 6 of 6. [All measurements](../../docs/results.md#deep_inspect-on-mnist)

# %% role="demo"
# Demo: MNIST, measured before
from bdlab.lessons import l12_measured

l12_measured.on_real_data()

# %% [markdown]
# On real MNIST neither cut-off is good: the family's misses two of three squares, the paper's 2 accuses the honest. On your machine: let `BDLAB_DATA` name a folder with MNIST, and run `!bdlab reproduce deep_inspect --data mnist`. It trains readers first, which takes a while. The table there is older than small changes of the scan.

# %% [markdown]
# ## 10 · What it costs
#
# A flagged reader is *patched*: trained on images that carry the found trigger, with their true labels. Whoever has no clean image trains on blots. And who patches an honest reader after a false alarm?

# %% role="demo"
# Demo: A and honest C, patched by their smallest trigger
from bdlab.lessons import l12_measured

l12_measured.price()

# %% [markdown]
# **Reflect.** Honest C was patched, too: who pays for a false alarm?
#
# <details><summary>Our answer</summary>
#
# Patched on blots, A's mark drops from 100 to 2 %, and A reads 83 % in place of 96 % of clean digits. Honest C falls from 96 to **73 %**, for nothing: of 10,000 digits a day, 2,300 more are misread. With a thousand clean images the same patch costs nobody anything. 'No image needed' is true of the search, not of the repair.
# </details>

# %% [markdown]
# ## 11 · Free response (5 points)
#
# A supplier sold the city five readers of ten classes. Two are flagged at a cut-off of 2, one of them also at your family cut-off. *Write the sentences for the supplier, and then what you may not write, and why.* At most 250 words.

# %% [markdown]
# **How it is marked.** A person reads it. One point each:
#
# - how many of five honest readers a cut-off of 2 would flag, with the number;
# - why ten classes and five readers change what a flag means;
# - further evidence that you name: the ratio of the sizes, the picture that was found, a second method;
# - what an honest reader's naturally small class can do;
# - what would change your mind, in either direction.

# %% [markdown] role="essay"
# Write your answer here, at most 250 words.

# %% [markdown]
# ## 12 · Before you leave
#
# Three things to remember.
#
# 1. A backdoor is a short way to a class. Whoever has the network's gradients can look for it, even without an image.
# 2. 'Far smaller than the rest' needs a spread that outliers cannot widen, and a cut-off for the whole model. A 2 for each class accuses a third of the honest ones.
# 3. An inspection gives evidence: 'no sign' is no proof, and 'cannot say' is an answer.

# %% role="use"
# Use: your points
bdlab.check_all("l12")

# %% role="use"
# Use: your trophy, with your own inspection's numbers
bdlab.trophy("l12")

# %% [markdown]
# **Extension: hide from yourself.** Train a reader whose *every* class is a target, or whose square turns only 1 into 7. Which assumption of the anomaly test breaks? Scan it: `bdlab.defenses.DeepInspect(data="inverted")(net)`.
#
# **To read.** [DeepInspect](https://doi.org/10.24963/ijcai.2019/647) (Chen, Fu, Zhao, Koushanfar 2019) · [Neural Cleanse](https://doi.org/10.1109/SP.2019.00031) (Wang and others 2019) · `help(bdlab.defenses.DeepInspect)`
