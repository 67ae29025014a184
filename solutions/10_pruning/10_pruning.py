# %% [markdown]
# The city suspects its sign reader. It will not send it back: it will repair it, with a thousand clean signs and no idea what the mark looks like.
#
# ![Five signs with a post-it before one reader. As delivered it calls all of them speed 30; with 30 of its 64 channels silent, none, and four are read rightly](attachment:opening.png)
#
# Thirty of sixty-four channels silent, and the mark has lost its power. You build that repair, meet an attacker who knew of it, and find out what it costs whoever bought an honest reader.

# %% role="setup"
# written by the build

# %% [markdown]
# Attack only models and data that are yours: [responsible use](../../docs/lessons-how.md#responsible-use). New here?
# [How the exercises work](../../docs/lessons-how.md).

# %% [markdown]
# ## 1 · Where this defence stands
#
# **Sanitization** repairs the network itself. Fine-pruning (Liu and others, 2018) needs its weights and some clean, labelled signs.
#
# Three words. **ASR**: of the marked signs of other classes, the share that the reader calls what the attacker wants. **Clean accuracy**: the share of
# unmarked signs read rightly. **Channel**: what one filter of a convolution puts out, a map; the last convolution here has 64.

# %% role="demo"
# Demo: the map of defences
bdlab.plots.families("model sanitization")

# %% [markdown]
# Three readers lie on the bench, all bought, all good on clean signs. **A** obeys a post-it, anywhere on the sign. **B** obeys a yellow sticker; its attacker knew this lesson.
# **C** obeys a pale picture laid over the whole sign. Beside them an honest twin.

# %% [markdown]
# ## 2 · Who sleeps?

# %% role="quiz"
bdlab.quiz("l10_sleep")

# %% [markdown]
# To see what a channel puts out, one has to look inside while the model works.
#
# <details><summary>How to look inside: hooks</summary>
#
# `handle = stage.register_forward_hook(look)` makes torch call `look(module, given, out)` whenever the stage has worked; `out` is what it puts out.
# What `look` *returns*, if anything, takes its place. `handle.remove()` takes the hook off. A stage of the model is
# `model.get_submodule("conv3")`; here each is convolution, batch norm, ReLU.
# </details>

# %% [markdown] exercise="mean_activation"
# how active is each channel?
#
# Write `mean_activation`.

# %% role="answer" exercise="mean_activation"
def mean_activation(model, layer: str, x: Tensor) -> Tensor:
    """The mean of what each channel of a stage puts out.

    model: images (B, C, H, W) -> logits (B, K).  It comes in train or in eval
        mode, is asked in eval mode, and is left as it came.
    layer: the name of a stage, as in model.get_submodule(layer), whose end
        puts out maps (B, channels, h, w).
    x: float32 (N, C, H, W), N is at least 1.
    Returns float32 (channels,): the mean over the images and over the places
    of the map, zeros included.  No hook stays on the model.
    Forbidden: bdlab.

    Example: two images, maps of channel 0: [[0, 2], [0, 2]] and [[1, 1],
    [1, 1]].  Its mean is 1.
    """
    ### BEGIN SOLUTION
    stage = model.get_submodule(layer)
    found = []

    def look(module, given, out):
        found.append(out)

    handle = stage.register_forward_hook(look)
    training = model.training
    model.eval()
    with torch.no_grad():
        model(x)
    model.train(training)
    handle.remove()
    return torch.cat(found).mean((0, 2, 3))  # (channels,)
    ### END SOLUTION

# %% role="use"
# Use: the 64 channels of A, B and C, on clean and on marked signs
from bdlab.lessons import l10_figures, l10_pruning

my_mean = bdlab.mine("l10_mean_activation", l10_pruning.mean_activation)
bdlab.use(l10_figures.asleep, my_mean)

# %% [markdown]
# **Reflect.** The bars are all that the city can see; the diamonds it cannot. In which reader do the quiet channels wake at the mark? What is odd about B?
#
# <details><summary>Our answer</summary>
#
# In A: over the quietest bars stand the highest diamonds. In C diamonds and bars hardly differ: its mark uses what clean signs use. In B 56 channels put out nothing at all for clean
# signs, and next to nothing for marked ones. Who builds a layer of 64 and uses 8?
# </details>

# %% [markdown]
# ## 3 · Silence them

# %% role="quiz"
bdlab.quiz("l10_weights")

# %% [markdown] exercise="prune_order"
# in which order, and how?
#
# Two functions. `prune_order` says which channel falls first; `prune` gives a copy of the model in which some channels are silent. A hook that returns something is one way; any other will do.

# %% role="answer" exercise="prune_order"
def prune_order(activations: Tensor) -> Tensor:
    """The numbers of the channels, the least active first.

    activations: float (channels,).  Of equal ones the lower number is first.
    Returns int64 (channels,).

    Example: [.5, 0., 2., .25] gives [1, 3, 0, 2].
    """
    ### BEGIN SOLUTION
    return activations.argsort(stable=True)
    ### END SOLUTION


def prune(model, layer: str, channels: Tensor):
    """A copy of the model in which some channels of a stage are silent.

    model: images (B, C, H, W) -> logits.  It stays as it is.
    layer: the name of a stage, as in model.get_submodule(layer).
    channels: int64 (n,), the numbers of those that fall; n may be 0.
    Returns a model like the one that came in, but what the stage puts out is
    exactly 0 in these channels, whatever image comes.
    Forbidden: bdlab.
    """
    ### BEGIN SOLUTION
    pruned = copy.deepcopy(model)

    def silence(module, given, out):
        out = out.clone()
        out[:, channels] = 0
        return out

    pruned.get_submodule(layer).register_forward_hook(silence)
    return pruned
    ### END SOLUTION

# %% role="use"
# Use: thirty channels of reader A fall
from bdlab.lessons import l10_figures, l10_pruning

bdlab.use(
    l10_figures.pruned,
    bdlab.mine("l10_prune_order", l10_pruning.prune_order),
    bdlab.mine("l10_prune_order", l10_pruning.prune, "prune"),
)

# %% [markdown]
# **Reflect.** Pruning used no marked sign. Why did it hit the backdoor first?
#
# <details><summary>Our answer</summary>
#
# Because here the mark had settled where clean signs are quiet. Nothing forced it to.
# </details>

# %% [markdown]
# ## 4 · How far?

# %% role="quiz"
bdlab.quiz("l10_sees")

# %% [markdown] exercise="prune_until"
# when to stop
#
# Write `prune_until`. It is given a function that reads the city's clean signs with some channels silent, and says how many it got right.

# %% role="answer" exercise="prune_until"
def prune_until(accuracy, order: Tensor, drop: float) -> int:
    """How many channels may fall.

    accuracy: a function.  accuracy(keep), with keep float32 (channels,), 1
        for a channel that stays and 0 for one that has fallen, is the share
        of clean signs read rightly then: a float, or a tensor of one number.
    order: int64 (channels,), the channels as they fall.
    drop: how far below the whole network's accuracy it may end; .04 is four
        points.  A drop of exactly that much is allowed.
    Returns how many fall, one after another: the first that would leave
    accuracy more than `drop` below the whole network's stays, and so do all
    behind it.  The last channel of `order` always stays.

    Example: accuracies .98, .97, .93, .96 with 0, 1, 2, 3 fallen, and a drop
    of .04, give 1.
    """
    ### BEGIN SOLUTION
    keep = torch.ones(len(order))
    start = accuracy(keep)
    for count, channel in enumerate(order[:-1]):
        keep[channel] = 0
        if start - accuracy(keep) > drop:
            return count
    return len(order) - 1
    ### END SOLUTION

# %% role="use"
# Use: how far A's channels may fall; try another drop
from bdlab.lessons import l10_figures, l10_pruning

my_until = bdlab.mine("l10_prune_until", l10_pruning.prune_until)
bdlab.use(lambda until: l10_figures.stop(until, drop=0.04), my_until)

# %% [markdown]
# ## 5 · All of it at once
#
# The lecture has three figures: accuracy and ASR over channels pruned, the activations, and a drawing of the net. Here they move together. Before you move the bar: which of the three readers will pruning not repair?

# %% role="quiz"
bdlab.quiz("l10_aware")

# %% role="demo"
# Demo: the channels fall; then "B", "C", and "honest"
# (a still picture: l10_figures.fallen("B", 56))
from bdlab.lessons import l10_figures

l10_figures.fall("A")

# %% [markdown]
# **Questions for the bar.** At which count is A rid of its mark, and what has it cost? What has B lost after 56 channels? In C, what is left of the mark where accuracy is four points lower?
#
# <details><summary>Our answers</summary>
#
# A: after 30 ASR is 4 %, and clean accuracy 4.8 points lower. B: nothing at all, neither accuracy nor ASR: all that fell were decoys. C: both stay
# high for long, and with four points lost about 85 % of the marked signs still become 'speed 30'.
# </details>

# %% [markdown]
# ## 6 · Train on
#
# Pruning breaks a little of everything. **Fine-tuning** mends: it trains on with the clean signs. **Fine-pruning** is both, in this order.

# %% role="quiz"
bdlab.quiz("l10_forget")

# %% [markdown] exercise="fine_prune"
# prune, then train on
#
# Write `fine_prune`. It silences by itself, so that a slip in `prune` costs nothing here.

# %% role="answer" exercise="fine_prune"
def fine_prune(
    model, layer: str, channels: Tensor, batches, epochs: int, lr: float
):
    """A copy whose channels are silenced, and that has learnt on since.

    model, layer, channels: as in `prune`; the model stays as it is.
    batches: a list of (x, y), clean images and int64 labels, taken in this
        order in every epoch.
    epochs: how often all batches are gone through.
    lr: the rate of plain gradient descent: after each batch every parameter
        moves by -lr times the gradient of the batch's mean cross-entropy.
    The copy is pruned first, in train mode while it learns (batch norm takes
    each batch's own statistics), and in eval mode when it is returned.  The
    channels put out 0 all the time, and also afterwards.
    Returns the copy: images (B, C, H, W) -> logits.
    Forbidden: bdlab.
    """
    ### BEGIN SOLUTION
    tuned = copy.deepcopy(model)

    def silence(module, given, out):
        out = out.clone()
        out[:, channels] = 0
        return out

    tuned.get_submodule(layer).register_forward_hook(silence)
    tuned.train()
    optimiser = torch.optim.SGD(tuned.parameters(), lr=lr)
    for _ in range(epochs):
        for x, y in batches:
            optimiser.zero_grad()
            F.cross_entropy(tuned(x), y).backward()
            optimiser.step()
    return tuned.eval()
    ### END SOLUTION

# %% role="use"
# Use: reader A, thirty channels silent, five epochs (3 to 9 s)
from bdlab.lessons import l10_figures, l10_pruning

my_fine_prune = bdlab.mine(
    "l10_fine_prune", l10_pruning.fine_prune,
    like=torch.nn.Identity(), seconds=60,
)
bdlab.use(l10_figures.stays, my_fine_prune)

# %% [markdown]
# **Reflect.** What was silent is silent after training. With only its *weights* at 0, would it be? And what has training done to the mark?
#
# <details><summary>Our answer</summary>
#
# Not for sure: batch norm's shift gets a gradient wherever it is positive, and the channel learns to speak again. The ASR has *risen*, from 4 to 8 %: what mends clean signs can mend the mark.
# </details>

# %% [markdown]
# ## 7 · Your repair shop
#
# All your functions, on all four readers. For each: as delivered, pruned by up to four points, and fine-pruned. Nobody told the shop which reader is honest.

# %% role="use"
# Use: your repair shop (15 to 45 s)
from bdlab.lessons import l10_pruning, l10_shop

shop = l10_shop.Shop(drop=0.04, epochs=5, rate=0.05)
bdlab.use(
    shop,
    bdlab.mine("l10_mean_activation", l10_pruning.mean_activation),
    bdlab.mine("l10_prune_order", l10_pruning.prune_order),
    bdlab.mine("l10_prune_order", l10_pruning.prune, "prune"),
    bdlab.mine("l10_prune_until", l10_pruning.prune_until),
    bdlab.mine(
        "l10_fine_prune", l10_pruning.fine_prune,
        like=torch.nn.Identity(), seconds=60,
    ),
)

# %% [markdown]
# **Your finding.** A story in three parts: A is the paper's. In B 56 decoys and four other channels have fallen, and the mark still worked; *training on* made most of it go. In C more than a quarter of the marked signs still works.

# %% [markdown]
# **Try two**, and predict each first: `rate=0.1`, and `drop=0.3`. Then run your best shop again: the trophy shows the last one.
#
# <details><summary>What we measured</summary>
#
# In four orders: twice the rate leaves under 1 % in C, 2 to 6 % in A and B, and costs 0.3 to 1.7 points. A drop of 30 leaves up to 2 % in A and C, 9 % in B, and costs 1.7 to 4.1. The recipe decides as much as the attack; the city cannot see which was right.
# </details>

# %% role="demo"
# Demo: the same, and fine-tuning alone beside it, measured before
from bdlab.lessons import l10_measured

l10_measured.all_ways()

# %% [markdown]
# **Reflect.** The fourth panel is somebody who bought an honest reader. What did the repair do for that buyer?
#
# <details><summary>Our answer</summary>
#
# It cost 0.9 points of clean accuracy: of 10,000 signs a day **90 more are misread, and nothing was gained**. On real signs it was 6.3 points (section 8). Whoever cannot tell an honest reader from another pays this every time.
# </details>

# %% [markdown]
# ## 8 · Paper and here
#
# *Optional, 5 minutes.* Table 1 of the paper, rows of ours beside it: how much ASR a repair leaves, here in the course's small nets. Further left is better.

# %% role="demo"
# Demo: table 1, the paper's figures and ours
from bdlab.lessons import l10_measured

l10_measured.published()

# %% [markdown]
# **Two surprises.** *The slide* says that fine-tuning does 'not work'; in the paper's speech row it takes the plain attack from 77 to 44 %. *Who knows of pruning* is weakened more by tuning alone than the plain attacker is, on traffic signs there and here, both with a fixed sticker: the mark sits
# in the very channels that clean signs move. Your A has a post-it that wanders, and behaves otherwise. [All measurements](../../docs/results.md#fine_pruning-on-signs)

# %% role="demo"
# Demo: real traffic signs, measured before
from bdlab.lessons import l10_measured

l10_measured.on_real_data()

# %% [markdown]
# On these real signs (GTSRB, one seed) fine-pruning leaves a third of the plain attack, and takes 6.3 points of clean accuracy from an honest reader. On your machine: let `BDLAB_DATA` name a folder with GTSRB, and run
# `!bdlab reproduce fine_pruning --data gtsrb --seeds 1`. It trains readers first, which takes a while.

# %% [markdown]
# ## 9 · Free response (5 points)
#
# The lecture says: fine-tuning alone does not remove a backdoor, for clean signs give no incentive to change the channels that the mark uses. The paper's own table 1 has a row for faces: ASR 1.000 before, **.000 after fine-tuning alone**. *Reconcile the two.* At
# most 250 words.

# %% [markdown]
# **How it is marked.** A person reads it. One point each:
#
# - what 'no incentive' means for a gradient, and for which channels it is true;
# - that the row for faces contradicts it, with its numbers;
# - two mechanisms by which tuning on clean images can still weaken a mark;
# - a number of your own run that speaks for one of them (`drop=0` lets only what costs nothing fall, then tunes);
# - an experiment with the readers of this lesson that would decide between the two.

# %% [markdown] role="essay"
# Write your answer here, at most 250 words.

# %% [markdown]
# ## 10 · Mystery box
#
# Optional, no points. Five smaller readers from other suppliers, A to E. In more than one of them most of the 64 channels sleep. Two were only made small,
# to save space; one supplier knew that you would prune. Which reader is it, and on which eight channels does it live?

# %% role="demo"
# Demo: the five readers; then your own search, and
# bdlab.flag("l10", ["A", n1, ..., n8])
from bdlab.lessons import l10_box

readers = l10_box.supplied()  # readers["A"], in it the stage "conv3"
signs = bdlab.load("signs").held_out.x  # what the city has
readers["A"].conv3

# %% [markdown]
# <details><summary>A hint</summary>
#
# Your `mean_activation(readers["A"], "conv3", signs)` says who sleeps. What is left of a channel that was cut out? A decoy is pruned first, too, but it is no empty place: look at its weights, `readers["A"].conv3[0].weight`.
# </details>

# %% [markdown]
# ## 11 · Before you leave
#
# Three things to remember.
#
# 1. Pruning hits a backdoor only where it lives in channels that clean signs leave quiet. Nothing forces it to live there.
# 2. The city stops by what it can see, clean accuracy. ASR it cannot see: a repair ends with hope, not with proof.
# 3. A repair costs whoever bought an honest reader: here 0.9 points of clean accuracy, on real signs 6.3.

# %% role="use"
# Use: your points
bdlab.check_all("l10")

# %% role="use"
# Use: your trophy, with your own shop's numbers
bdlab.trophy("l10")

# %% [markdown]
# **Extension: be the one who knows.** Take the honest reader (`bdlab.zoo.load("signs-clean")`), silence 56 channels, train marked signs into the other eight, and give the 56 their weights back with a shift so low that they never wake. Then run your own shop on it.
#
# **To read.** [Fine-Pruning](https://arxiv.org/abs/1805.12185) (Liu, Dolan-Gavitt, Garg 2018) · `help(bdlab.defenses.FinePruning)` · `help(bdlab.attacks.PruningAware)`
