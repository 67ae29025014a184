"""DeepInspect: learn the triggers of all classes with one generator; an infected class needs a far smaller one.

Chen, Fu, Zhao, Koushanfar, 'DeepInspect: A Black-box Trojan Detection and Mitigation Framework for Deep Neural Networks',
IJCAI 2019, doi 10.24963/ijcai.2019/647.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from bdlab.bars import track
from bdlab.checks import check_fraction, check_positive
from bdlab.contracts import Inspection, Inspector, Recipe, Repaired, Split, check_clean
from bdlab.defenses.anomaly import Cutoff, check_finite, check_knows, check_verdict, chosen, judge, row, unlearnt
from bdlab.defenses.fine_pruning import PLAIN
from bdlab.defenses.references import Compared, compare
from bdlab.defenses.trigger_generator import Best, TriggerGenerator
from bdlab.inversion import invert, lean
from bdlab.nets import Net, device_of, seeded
from bdlab.registry import register
from bdlab.running import answer, check_classes
from bdlab.training import logits

ON_INVERTED = Recipe(epochs=10, batch=64, lr=1e-3)
"""How inverted images patch; chosen on seed 0 of digits and signs: fine-tuning's recipe costs far more accuracy."""
FASTER, GAMMA2 = 1.07, (1e-5, 1.0)
"""The controller's factor a step, and the bounds of gamma2."""
FEWEST = 8
"""Images of every class in a batch, at least: of three, one miss hides a class."""
CHUNK = 512
"""Images in one pass; a larger batch takes several, whose gradients add up."""
MEMORY = 0.8
"""Success is a running mean: this much of the old value, the rest of the new one."""


@dataclass(frozen=True)
class GeneratedTriggers(Inspection):
    """DeepInspect's result: also each class's generator, the images (with labels) that stood for clean data, their kind.

    `triggers` are the mean changes, halved and put on mid-grey, so that what darkens can be seen as well.
    """

    generators: tuple[TriggerGenerator, ...] = field(default=(), repr=False)
    images: Split | None = field(default=None, repr=False)
    inverted: bool = field(default=False, repr=False)

    __repr__ = row


def losses(answer: Tensor, change: Tensor, t: Tensor, threshold: float) -> tuple[Tensor, Tensor, Tensor]:
    """L_trigger, L_GAN (means) and L_pert of each (B,), for logits (B, K), changes (B, C, H, W), wanted classes (B,).

    Equation 3: NLL of class t.  L_GAN: (p_t - 1)^2, where the model is the fixed discriminator and p_t its confidence.
    L_pert: max(0, |change|_1 - threshold).
    """
    log_p = answer.log_softmax(1).gather(1, t[:, None])[:, 0]  # (B, K) -> (B,)
    size = change.abs().flatten(1).sum(1)  # (B,)
    return -log_p.mean(), (log_p.exp() - 1).square().mean(), (size - threshold).relu()


@register("defense", "deep_inspect", paper="Chen, Fu, Zhao, Koushanfar 2019, IJCAI", family="model inspection")
@dataclass(frozen=True, kw_only=True)
class DeepInspect(Inspector):
    """The defender has the model and its gradients, and clean images whose labels only patching needs; or no data at all.

    `found = DeepInspect()(model, held_out)` trains one generator of triggers for all classes and compares their sizes;
    `DeepInspect(data='inverted')(model)` is the paper's setting, on images made from the model alone.  `found.flagged`
    are the infected classes, and `DeepInspect().patch(model, found)` is a copy that no longer obeys their triggers.

    steps, batch, lr, noise, width: of the generator and its training; a batch holds all classes equally often, each at
    least 8 times; lr holds for half of the steps and then falls to 0.
    threshold: the l1 norm up to which a change costs nothing.  gamma1: weight of L_GAN, 0 leaves it out.  gamma2: first
    weight of L_pert, goal: the success above which it grows.  least: classes with less success are left out of the
    statistic.  draws: changes per class that its norm is averaged over.  images, inversion_steps, smooth: inverted images a
    class, steps of the descent, weight of their denoising.  deviation, scale, cutoff: the statistic, see `metrics`;
    references: clean networks that fewer than seven classes are compared with, 0: none, see `references`.
    share: of the images in a batch that carry a trigger while patching.  recipe: of that training; None: that of
    `FineTuning` on clean images, `ON_INVERTED` on inverted ones.

    Fidelity: the equations were read in third-party notes, there is no official code, and no figure of a table.
    - Reconstruction: generator (transposed convolutions that start near no change), all weights, sizes and rates, the cut
      to [0, 1] of changed images, and L_GAN, whose discriminator is the model itself: we take its output to be p_t.
    - The paper tunes gamma1 and gamma2 until triggers reach 95 %.  Here gamma1 is fixed, and every class has its own
      gamma2, which grows while a running mean of the class's success is above `goal`, .97, and else shrinks, so that all
      sizes are compared at about one success.  That lies below `goal`: of eight images a class in a batch one miss takes the
      mean from 1 to .975, and two below the goal.
    - Images of the class itself count.  Every class keeps the smallest trigger that reached `least` at one of ten looks in
      the second half of the steps, as `NeuralCleanse` does; a class that never reached it is left out.  One with
      the smallest norm of all counts from three quarters of `least` on; below, the verdict says so.  Both are ours.
    - It speaks of a black box, but trains through the model's gradients.
    - Clean images, the default, are not the paper's.  Inversion descends (1 - p_t)^2 in steps of one size, hence the way
      of the paper's 1 - p_t, with total-variation denoising for the auxiliary term; images that the model does not take
      for their class are dropped.
    - A size is the l1 norm of what the generator puts out; the paper's figure has the soft hinge of it.
    - Sizes are compared by their logarithms: they are positive and skewed, and the family-wise cut-off is that of normal
      values.  `scale='plain'` is the paper's.  That the deviation is that of the left half is from memory, not verified.
    - Every class above the family-wise cut-off is flagged.  The paper names the smallest where it lies above 2, as
      third-party notes have it; `flagged_at_two` and `ranking` stand beside.
    - Patching: share and recipes are ours, with batch norm in training mode, as plain training has it.
    - A scan is one generator of one seed; several may be compared by hand.

    Measured on digits, small_bn, BadNets' square on class 0 and clean twins, 10 to 12 CPU s a scan; the slow test of
    tests/test_defense_deep_inspect.py holds it.  `bdlab reproduce deep_inspect --data digits` prints seeds 0 to 2, on which
    settings were chosen:

    | seed | norm of class 0 | of the others | index | of the clean twin, at most | index of plain norms, clean |
    | --- | --- | --- | --- | --- | --- |
    | 100 | 17.2 | 53.3 to 168.9 | 6.6 | 1.4 | 3.9, 1.3 |
    | 101 | 6.3 | 39.7 to 198.5 | 5.3 | 1.0 | 2.4, .9 |
    | 102 | 8.5 | 60.7 to 132.2 | 18.4 | 2.3 | 7.6, 2.0 |
    | 103 | 3.1 | 26.2 to 106.0 | 6.4 | 1.3 | 2.5, 1.2 |
    | 104 | 5.6 | 48.7 to 129.4 | 20.2 | .9 | 7.8, .8 |

    The table is older than the batches of at least 8 images a class, the kept triggers and the cut-off that does not jump
    (now 3.29 of ten classes, 3.40 of nine); indices were those of the plain median of the lower half.  The family-wise
    cut-off was 4.66 (7.24 for seed 104, where one class is excluded): logarithms find 5 of 5, plain norms 2
    of 5, neither with a false alarm.  At the paper's 2 both find 5 of 5, logarithms with one false alarm, plain norms with
    none.  Seeds 105 to 109, logarithms: 5 of 5 (index 7.3 to 17.9), no alarm on clean ones (at most 3.8; one at 2).
    Settings were chosen on seeds 0 to 3; seed 100 was missed (index 4.5) with 350 steps of 100 images, and these
    were changed to 600 of 50 on seeds 0 and 2.

    Patching, seeds 0 to 2 of the same command: of BadNets .2 % are left on digits and 6.7 % on signs (18 % on the seed that
    does not find the target), by the same training without triggers 96.5 and 88.6 %.  Clean accuracy rises by .4 points and
    falls by .8.  On inverted images 5.4 and 6.7 % are left, but 14 and 11 points of clean accuracy are gone.
    It looks for small changes that turn every image: a source-specific trigger turns one class only and is missed.
    """

    data: Literal["held_out", "inverted"] = "held_out"
    steps: int = 600
    batch: int = 50
    threshold: float = 1.0
    gamma1: float = 0.2
    gamma2: float = 0.03
    goal: float = 0.97
    least: float = 0.9
    lr: float = 5e-3
    noise: int = 100
    width: int = 16
    draws: int = 256
    images: int = 20
    inversion_steps: int = 100
    smooth: float = 0.02
    deviation: str = "left_mad"
    scale: Literal["log", "plain"] = "log"
    cutoff: Cutoff = "family_wise"
    share: float = 0.3
    references: int = 5
    recipe: Recipe | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.data not in ("held_out", "inverted"):
            raise ValueError(f"data must be one of held_out, inverted; got {self.data!r}")
        check_positive(self, "steps", "batch", "lr", "noise", "width", "draws", "images", "inversion_steps")
        for name in ("threshold", "gamma1", "smooth"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be 0 or more, got {getattr(self, name)}; 0 leaves that part out")
        if not GAMMA2[0] <= self.gamma2 <= GAMMA2[1]:
            raise ValueError(
                f"gamma2 must be in [{GAMMA2[0]}, {GAMMA2[1]}], got {self.gamma2}; the controller moves it"
            )
        for name in ("goal", "least", "share"):
            check_fraction(getattr(self, name), name)
        check_verdict(self.deviation, self.cutoff, self.scale)

    def __call__(self, model: nn.Module, clean: Split | None = None) -> GeneratedTriggers:
        """The size of every class's generated triggers, and the verdict; 'inverted' needs no `clean` and uses none.

        Raises: `ValueError` for missing images; `FloatingPointError` when the model answers with NaN.
        """
        inverted = self.data == "inverted"
        images = self.inverted(model) if inverted else check_clean(clean, least=50, classes=2)
        check_classes(model, images, exactly=True, name="clean")
        check_knows(model, images)
        best = search(self, model, images)

        def compared(norm: Tensor) -> Compared:
            return compare(norm, model, images, lambda net: search(self, net, images).norm, self.references, self.seed)

        verdict = judge(best.norm, best.success, (1 + best.mean) / 2, least=self.least, deviation=self.deviation,
                        cutoff=self.cutoff, log=self.scale == "log", compared=None if inverted else compared)  # fmt: skip
        return GeneratedTriggers(**vars(verdict), generators=tuple(best.generators), images=images, inverted=inverted)

    def inverted(self, model: nn.Module) -> Split:
        """Model inversion: `images` of every class that descend (1 - p_t)^2 from noise, those that the model accepts."""
        if not isinstance(model, Net):
            raise TypeError(f"model must be a bdlab.nets.Net, got {type(model).__name__}; data='held_out' takes any")
        y = torch.arange(model.classes).repeat(self.images)  # (n,)
        start = torch.rand(len(y), *model.input_shape, generator=torch.Generator().manual_seed(self.seed))
        x = invert(model, y, start, steps=self.inversion_steps, smooth=self.smooth)
        right = logits(model, x).argmax(1) == y
        if not right.any():
            raise ValueError(
                f"smooth must leave images that the model takes for their class, got {self.smooth}; lower it"
            )
        return Split(x[right], y[right], model.classes, name="inverted")

    def patch(
        self,
        model: nn.Module,
        found: GeneratedTriggers,
        labels: Sequence[int] | None = None,
        clean: Split | None = None,
    ) -> Repaired:
        """A copy trained on the images of the scan, a share of them with generated triggers, all with their true labels.

        labels: the classes whose triggers are used, by default those that were flagged; none is an error.
        clean: train on these images instead.
        """
        labels = chosen(found, labels)
        images = found.images if clean is None else check_clean(clean, least=2, classes=2)
        if images is None or not found.generators:
            raise ValueError("found must be the result of a DeepInspect scan, got one without generators; scan first")
        nets = {label: copy.deepcopy(found.generators[label]).to(device_of(model)) for label in labels}
        generator = torch.Generator().manual_seed(self.seed)

        @torch.no_grad()
        def stamp(x: Tensor) -> Tensor:
            t = torch.tensor(labels)[torch.randint(len(labels), (len(x),), generator=generator)].to(x.device)
            z = torch.randn(len(x), nets[labels[0]].noise, generator=generator).to(x.device)
            changed = x.clone()
            for label, net in nets.items():
                mine = t == label
                changed[mine] = (x[mine] + net(z[mine], t[mine])).clamp(0, 1)
            return changed

        recipe = self.recipe or (ON_INVERTED if found.inverted and clean is None else PLAIN)
        return unlearnt(model, images, stamp, share=self.share, recipe=recipe, seed=self.seed)


@seeded(0)
def search(settings: DeepInspect, model: nn.Module, images: Split) -> Best:
    """Minimise L_trigger + gamma1 L_GAN + gamma2 L_pert over the generator of all classes, and keep the best triggers.

    Every class has its own gamma2: a step multiplies it by 1.07 while the running mean of the class's success is above the
    goal, and else divides it.  In the second half of the steps all classes are measured ten times.
    """
    s, net, device = settings, lean(model, images.x), device_of(model)
    draw = torch.Generator().manual_seed(s.seed)
    channels, height, width = images.x.shape[1:]
    generator = TriggerGenerator((channels, height, width), images.classes, s.noise, s.width, s.seed).to(device)
    optimiser = torch.optim.Adam(generator.parameters(), s.lr)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: min(1.0, 2 * (1 - step / s.steps)))
    each, x = max(FEWEST, s.batch // images.classes), images.x.to(device)  # images a class in a batch; (N, C, H, W)
    t = torch.arange(images.classes, device=device).repeat(each)  # (B,)
    gamma2, best = torch.full((images.classes,), s.gamma2, device=device), None
    success, looks = torch.zeros_like(gamma2), {s.steps - k * max(1, s.steps // 20) for k in range(10)}
    for step in track(range(1, s.steps + 1), "DeepInspect, steps"):
        z = torch.randn(len(t), s.noise, generator=draw).to(device)
        rows = torch.randint(len(x), (len(t),), generator=draw).to(device)
        optimiser.zero_grad()
        hits = [_descend(s, net, generator, x[rows[part]], z[part], t[part], gamma2, len(t))
                for part in torch.arange(len(t), device=device).split(CHUNK)]  # fmt: skip
        optimiser.step()
        schedule.step()
        success = MEMORY * success + (1 - MEMORY) * torch.cat(hits).view(each, -1).mean(0)  # (K,)
        gamma2 = torch.where(success > s.goal, gamma2 * FASTER, gamma2 / FASTER).clamp(*GAMMA2)
        if step in looks:
            found = measured(s, net, images, copy.deepcopy(generator).eval())
            best = best or found
            best.keep(found, s.least)
    assert best is not None
    return best


def _descend(
    s: DeepInspect, net: nn.Module, generator: TriggerGenerator, x: Tensor, z: Tensor, t: Tensor, gamma2: Tensor, batch: int
) -> Tensor:
    """Add the gradient of a part (b, C, H, W) of a batch of `batch` images; which of them went where they should, (b,)."""
    change = generator(z, t)  # (b, C, H, W)
    logits = answer(net, (x + change).clamp(0, 1))  # (b, K)
    trigger, gan, pert = losses(logits, change, t, s.threshold)
    cost = (trigger + s.gamma1 * gan + (gamma2[t] * pert).mean()) * (len(t) / batch)
    check_finite(cost)
    cost.backward()
    return (logits.argmax(1) == t).float()


@torch.no_grad()
def measured(settings: DeepInspect, net: nn.Module, images: Split, generator: TriggerGenerator) -> Best:
    """Per class, over `draws` changes: mean l1 norm (K,), success (K,) and the mean change (K, C, H, W), on the CPU."""
    s, device = settings, device_of(net)
    draw = torch.Generator().manual_seed(s.seed + 1)
    norms, rates, means = [], [], []
    for label in range(images.classes):
        z = torch.randn(s.draws, s.noise, generator=draw).to(device)
        t = torch.full((s.draws,), label, device=device)
        change = generator(z, t)  # (draws, C, H, W)
        x = images.x[torch.randint(len(images), (s.draws,), generator=draw)].to(device)
        norms.append(change.abs().flatten(1).sum(1).mean())
        rates.append((answer(net, (x + change).clamp(0, 1)).argmax(1) == t).float().mean())
        means.append(change.mean(0))
    norm, rate, mean = (torch.stack(part).cpu() for part in (norms, rates, means))
    return Best(norm, rate, mean, [generator] * images.classes)
