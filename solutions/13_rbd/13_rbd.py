# %% [markdown]
# The city's reader is on the road. A copy of it, its **shadow**, has unlearned honest signs. Show both a sign with a yellow sticker:
#
# ![Two histograms: before the attacked reader the marked signs get high scores and honest ones low scores; before the honest reader both lie over each other](attachment:opening.png)
#
# What the shadow still recognises is suspicious. You make the shadow, a score and a guard, and measure what they catch, miss and cost.

# %% role="setup"
# written by the build

# %% [markdown]
# Attack only models and data that are yours: [responsible use](../../docs/lessons-how.md#responsible-use). New here?
# [How the exercises work](../../docs/lessons-how.md).

# %% [markdown]
# ## 1 · What is known, and what is reconstruction
#
# *Reverse backdoor distillation* (RBD; Yao and others, 2024). **Known**, from its abstract and the lecture: a shadow model is distilled from the suspicious
# one before use, and runs beside it; triggers excite neurons more than clean images do; source-specific backdoors are found; 97 % of the computation is saved.
#
# **Reconstruction**, called RBD-R here: that the shadow is a copy, that clean images alone make it, its loss, the score, every number. The paper's text was not at hand.

# %% [markdown]
# Words of earlier lessons. **ASR**: the share of marked inputs that the reader gives the attacker's class. An **honest twin**: the same
# network, trained without the attack. A **source-specific** backdoor obeys the mark on one class only; **covers** are marked training signs of other classes that keep their labels.

# %% role="demo"
# Demo: the map of defences
bdlab.plots.families("input filtering")

# %% [markdown]
# ## 2 · Your sealed prediction
#
# Choose before you measure. The lesson opens it in section 6.

# %% role="quiz"
bdlab.quiz("l13_forget")

# %% [markdown]
# ## 3 · What the shadow is to answer
#
# The model is the **teacher**. Where it is sure of a class, the shadow shall doubt that class most: wanted are the shares that softmax makes of *minus one half* of its logits.
# How far the shadow is away tells the **divergence**: the sum, over classes, of wanted times (log wanted - log shadow's share). It is 0 where both agree.

# %% [markdown] exercise="unlearn_loss"
# the loss that unlearns
#
# Write `unlearn_loss`: the divergence, as a mean over images.

# %% role="answer" exercise="unlearn_loss"
def unlearn_loss(shadow: Tensor, teacher: Tensor) -> Tensor:
    """How far the shadow's answers are from the wanted ones.

    shadow, teacher: float32 (N, K), logits; both stay as they are.
    Wanted are the shares softmax(-teacher / 2), over the classes.
    Returns one number, a tensor of shape (), with gradients for shadow: the
    mean, over the N images, of the sum over the classes of
    wanted * (log wanted - log shares), shares = softmax of shadow.
    Logits may be large, so that a share is nearly 0.
    Needed: torch, F (torch.nn.functional).  Forbidden: bdlab.

    Example: shadow [[0., 0.]], teacher [[0., 0.]] gives 0.
    """
    ### BEGIN SOLUTION
    wanted = (-teacher / 2).softmax(1)
    return F.kl_div(shadow.log_softmax(1), wanted, reduction="batchmean")
    ### END SOLUTION

# %% role="use"
# Use: your loss of four answers
from bdlab.lessons import l13_figures, l13_rbd

my_loss = bdlab.mine("l13_unlearn_loss", l13_rbd.unlearn_loss)
bdlab.use(l13_figures.losses, my_loss)

# %% [markdown]
# **Reflect.** Which of the four does the loss punish most, and which not at all?
#
# <details><summary>Our answer</summary>
#
# Who answers as the teacher does pays most. The wanted answer pays 0: it leaves the other classes even, and says little of the teacher's.
# </details>

# %% [markdown]
# ## 4 · One step of the shadow
#
# The shadow begins as a copy and takes a few steps. Batch norm's statistics stay **frozen**: both networks remain in eval mode, which does not
# hinder gradients. The teacher must come out untouched: the city's reader is on duty.

# %% [markdown] exercise="shadow_step"
# one step of the shadow
#
# Write `shadow_step`. It has its own loss, so that a slip in the last exercise costs nothing here.

# %% role="answer" exercise="shadow_step"
def shadow_step(shadow, teacher, x: Tensor, optimiser) -> float:
    """One step by which the shadow unlearns some images.

    shadow, teacher: images (N, C, H, W) -> logits (N, K).  Both come in eval
        mode and stay in it.  Old gradients of the shadow may still be there.
    x: float32 (N, C, H, W).
    optimiser: of the shadow's weights.
    The loss is that of `unlearn_loss`.  The teacher gets no gradients, and
    its weights and statistics stay as they are; so do the shadow's statistics.
    Returns the loss before the step, a Python float.
    Needed: torch, F (torch.nn.functional).  Forbidden: bdlab.

    Example: called twice on the same x with a small step, the second loss is
    the smaller one.
    """
    ### BEGIN SOLUTION
    with torch.no_grad():
        answers = teacher(x)
    wanted = (-answers / 2).softmax(1)
    loss = F.kl_div(shadow(x).log_softmax(1), wanted, reduction="batchmean")
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()
    ### END SOLUTION

# %% role="use"
# Use: your shadows, made in 8 steps (a few seconds), and their maps
from bdlab.lessons import l13_figures, l13_rbd

my_step = bdlab.mine(
    "l13_shadow_step", l13_rbd.shadow_step, like=0.0, seconds=30
)
bdlab.use(l13_figures.maps, my_step)

# %% [markdown]
# The lecture's slide shows the suspicious model on a *benign* sample beside the shadow on a *backdoored* one: it changes two things at once. Here are all four,
# and the honest twin's below. Each row has a scale of its own.

# %% [markdown]
# **Reflect.** Which two maps must you compare to see what the sticker does to the shadow?
#
# <details><summary>Our answer</summary>
#
# Those of one row: the network stays, the sticker comes. And the same in the honest twin's row, for a sticker is bright there, too.
# </details>

# %% [markdown]
# ## 5 · The score
#
# A high score shall mean: the shadow still recognises what the model says.

# %% [markdown] exercise="rbd_score"
# what the shadow still recognises
#
# Write `rbd_score`: the share that the shadow gives to the class that the model chooses.

# %% role="answer" exercise="rbd_score"
def rbd_score(model, shadow, x: Tensor) -> Tensor:
    """The share that the shadow gives to the model's answer.

    model, shadow: images (N, C, H, W) -> logits (N, K).  Each comes in train
        or in eval mode, is asked in eval mode, and is left as it came.
    x: float32 (N, C, H, W).
    Returns float32 (N,), without gradients: for each image the model's
    answer is the class of its largest logit; the score is the share (softmax
    of the shadow's logits) of that class.
    Needed: torch.  Forbidden: bdlab.

    Example: the model says class 2, the shadow's shares are [.5, .2, .3]:
    the score is .3.
    """
    ### BEGIN SOLUTION
    modes = model.training, shadow.training
    model.eval()
    shadow.eval()
    with torch.no_grad():
        chosen = model(x).argmax(1)
        shares = shadow(x).softmax(1)
    model.train(modes[0])
    shadow.train(modes[1])
    return shares.gather(1, chosen[:, None])[:, 0]
    ### END SOLUTION

# %% role="use"
# Use: your scores of 800 signs, half of them marked, before two readers
from bdlab.lessons import l13_figures, l13_rbd

my_score = bdlab.mine(
    "l13_rbd_score", l13_rbd.rbd_score, like=torch.zeros(1), seconds=30
)
bdlab.use(l13_figures.both_readers, my_score)

# %% [markdown]
# **Reflect.** Why is the honest reader there?
#
# <details><summary>Our answer</summary>
#
# If any shadow kept the sticker, the score would find stickers and no backdoors. Before the honest reader both groups lie over each other.
# </details>

# %% [markdown]
# ## 6 · The prediction, opened: how long does it last?
#
# <details><summary>AUROC, in two sentences</summary>
#
# Take one marked and one honest sign at random: AUROC is the share of such pairs in which the marked one scores higher. 1 parts them wholly, 0.5 is chance, below
# 0.5 the marked ones score lower.
# </details>

# %% role="demo"
# Demo: move over the steps; as a picture: l13_figures.faded(step=8)
from bdlab.lessons import l13_figures

l13_figures.forgetting()

# %% [markdown]
# The sticker lasts, and not for long: the shadow forgets it as well. Compare step 8 with step 32, and open your prediction. Whoever stops too late has a shadow that hardly
# tells them apart, and only marked signs, which the city has not, would say when.

# %% [markdown]
# ## 7 · A guard
#
# The guard draws its line from clean signs: at most a share `fpr` of them may lie above it.

# %% role="quiz"
bdlab.quiz("l13_cost")

# %% [markdown] exercise="guard"
# a guard for the road
#
# Write `guard`. It returns a function, which is asked about each batch of signs that comes along.

# %% role="answer" exercise="guard"
def guard(model, shadow, clean: Tensor, fpr: float):
    """A function that says which images are suspicious.

    model, shadow: images (N, C, H, W) -> logits (N, K), both in eval mode.
    clean: float32 (N, C, H, W), images that the shadow has not unlearned.
    fpr: in [0, 1), the share of them that may be flagged.
    The score is that of `rbd_score`.  Sort the N scores of clean, highest
    first: the line is the one at place int(fpr * N), counted from 0.
    Returns a function: x (M, C, H, W) -> bool (M,), True where the score of
    an image lies strictly above the line.
    Needed: torch.  Forbidden: bdlab.

    Example: clean scores [.1, .4, .2, .3], fpr .25: the line is .3, and only
    the second is flagged.
    """
    ### BEGIN SOLUTION
    def score(x):
        with torch.no_grad():
            chosen = model(x).argmax(1)
            shares = shadow(x).softmax(1)
        return shares.gather(1, chosen[:, None])[:, 0]

    line = score(clean).sort(descending=True).values[int(fpr * len(clean))]
    return lambda x: score(x) > line
    ### END SOLUTION

# %% [markdown]
# ## 8 · Your guard on the road
#
# Three readers: one obeys the sticker on every sign, one on stop signs alone, one is honest. Each meets 100 signs, ten of them marked. Your step makes the shadow; your guard draws
# its line from 500 clean signs.

# %% role="use"
# Use: your step and your guard before three readers (a few seconds)
from bdlab.lessons import l13_figures, l13_rbd

bdlab.use(
    l13_figures.Guarded(fpr=0.05),
    bdlab.mine(
        "l13_shadow_step", l13_rbd.shadow_step, like=0.0, seconds=30
    ),
    bdlab.mine("l13_guard", l13_rbd.guard),
)

# %% [markdown]
# **Try** `fpr=0.01`, and predict each row first.

# %% [markdown]
# ## 9 · Where it fails
#
# STRIP finds no source-specific mark (lesson 09). Does the shadow?

# %% role="quiz"
bdlab.quiz("l13_control")

# %% role="demo"
# Demo: marked stop signs, with both controls
from bdlab.lessons import l13_figures

l13_figures.controlled()

# %% [markdown]
# Against other signs the marked stop signs stand out, and before the honest reader they do so *more*. What this shadow sees here is mostly the class, not the backdoor:
# on this reader and with these eight steps RBD-R does **not** show the source-specific one. The blend is hardly better: see its bars in section 6.

# %% [markdown]
# ## 10 · Paper and here, real data
#
# The abstract gives no figure for detection. These are the cached figures of the library's `bdlab.Rbd()`, which has one more term in its loss, from
# [all measurements](../../docs/results.md#rbd-on-gtsrb).

# %% role="demo"
# Demo: real traffic signs and digits, measured before
from bdlab.lessons import l13_figures

l13_figures.on_real_data()

# %% [markdown]
# The patch is found on both; the blend is missed on GTSRB, found on MNIST. On your machine: let `BDLAB_DATA` name a folder with GTSRB, and run
# `!bdlab reproduce rbd --data gtsrb --seeds 1`. It trains readers first.

# %% [markdown]
# ## 11 · Free response (5 points)
#
# Somebody made the shadow from images that the *attacker* delivered. *One in a hundred of them carries the trigger: what becomes of the guard?* Predict first; then mark 10 of 1,000 signs,
# make a shadow, and look. At most 250 words.

# %% [markdown]
# **How it is marked.** A person reads it. One point each:
#
# - a prediction with a reason, written before the run;
# - your run: how many images, how many steps, one number with and one without marked images;
# - what a step on a marked image does to the shadow;
# - a control;
# - what the city should ask for before it makes a shadow.

# %% [markdown] role="essay"
# Write your answer here, at most 250 words.

# %% [markdown]
# ## 12 · Before you leave
#
# Three things to remember.
#
# 1. Unlearning what is clean leaves what no clean image exercises, for a few steps.
# 2. Beside every alarm stand the honest twin and the unmarked sign of the same class. Without them a class passes for a backdoor.
# 3. The guard costs two passes a sign instead of a hundred, and false alarms every day.

# %% role="demo"
# Demo: what an honest reader's buyer pays, of 10,000 signs a day
from bdlab.lessons.demos import cached

(10_000 * cached("l13", "alarms")["refused"]).round().tolist()

# %% [markdown]
# That many **false alarms a day**, from three shadows with a line at 1 %: the price of whoever bought an honest reader.

# %% role="use"
# Use: your points
bdlab.check_all("l13")

# %% role="use"
# Use: your trophy, with your own guard's numbers
bdlab.trophy("l13")

# %% [markdown]
# **Extension.** Let the shadow learn the class after the teacher's, as BaDExpert does for labels. How long does the sticker last now?
#
# **To read.** [RBD](https://doi.org/10.1109/tdsc.2024.3369751) (Yao et al. 2024) · [BaDExpert](https://arxiv.org/abs/2308.12439) (Xie et al. 2024) · `help(bdlab.Rbd)`
