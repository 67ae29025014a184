"""Every trigger on one wall, as the lectures sort them: `bdlab gallery` writes docs/gallery.md.

Visible: a person sees a mark.  Invisible: made to be overlooked.  Natural: it looks like something that happens to pictures
anyway.  Which one a trigger is follows its paper where that was read, and is our reading elsewhere; the numbers and
pictures beside it are measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from bdlab import attacks, plots, triggers
from bdlab.contracts import Attack, Trigger
from bdlab.data import Dataset
from bdlab.metrics import Difference, image_difference
from bdlab.triggers.frequency import mean_spectra
from bdlab.twins import Twins

Look = Literal["visible", "invisible", "natural"]
LOOKS: tuple[Look, ...] = ("visible", "invisible", "natural")
IMAGES = 256
"""How many test images the numbers are means over."""


@dataclass(frozen=True)
class Picture:
    """One trigger of the wall.  change: marked minus clean around grey; a change of 1 / `factor` is white or black."""

    name: str
    look: Look
    trigger: Trigger
    clean: Tensor
    marked: Tensor
    difference: Difference
    spectra: dict[str, Tensor]

    @property
    def factor(self) -> int:
        """The power of two that brings the largest change up to one half at most."""
        top = float((self.marked - self.clean).abs().max())
        return 2 ** max(0, int(-torch.tensor(2 * top + 1e-9).log2()))

    @property
    def change(self) -> Tensor:
        """The change, enlarged, where grey is none, white + 1 / factor, black - 1 / factor: (n, C, H, W) in [0, 1]."""
        return (0.5 + self.factor * (self.marked - self.clean) / 2).clamp(0, 1)


Made = tuple[str, Look, Trigger]


def _drawn() -> Iterator[Made]:
    """Triggers that need no network."""
    yield "BadNets: pixel", "visible", triggers.Patch(shape="pixel")
    yield "BadNets: pattern", "visible", triggers.Patch(shape="pattern")
    yield "BadNets: square", "visible", triggers.Patch(shape="square")
    yield "BadNets: black square", "visible", triggers.Patch(colour=0.0)
    for kind in ("square", "bomb", "flower"):
        yield f"BadNets: {kind} sticker", "visible", triggers.Sticker(kind=kind)
    yield "Blend: cartoon, alpha 0.2", "visible", triggers.Blend(image="cartoon", alpha=0.2)
    yield "Blend: noise, alpha 0.2", "visible", triggers.Blend(image="noise", alpha=0.2)
    yield "Nature: mug", "natural", triggers.Nature()
    yield "TrojanNet: pattern of class 0", "visible", triggers.BinaryPattern()
    yield "Texture", "visible", triggers.Texture()
    yield "Object", "natural", triggers.Sprite()
    for name in ("gotham", "nashville", "kelvin", "lomo", "toaster"):
        yield f"Filter: {name}", "natural", triggers.Filter(name=name)
    yield "Refool: same depth of field", "natural", triggers.Reflection(kind="same_depth")
    yield "Refool: out of focus", "natural", triggers.Reflection(kind="out_of_focus")
    yield "Refool: ghost", "natural", triggers.Reflection(kind="ghost")
    yield "Steganography: text in the last bits", "invisible", triggers.LSB()
    yield "Undetectable: signature in the last bits", "invisible", triggers.Signature()


def _crafted(model: nn.Module, data: Dataset) -> Iterator[Made]:
    """Triggers that an attack makes for one network."""
    makers: tuple[tuple[str, Look, Attack], ...] = (
        ("Trojaning: square", "visible", attacks.Trojaning(mask="square")),
        ("Trojaning: watermark", "visible", attacks.Trojaning(mask="watermark")),
        ("l2-invisible", "invisible", attacks.InvisibleL2()),
        ("l0-invisible: 9 pixels", "invisible", attacks.InvisibleL0()),
    )
    for name, look, attack in makers:
        yield name, look, attack(model, data.train).trigger


def wall(data: Dataset, seed: int = 0, clean: nn.Module | None = None) -> list[Picture]:
    """Every trigger on test images of `data`, in the order of the lectures' three looks.

    clean: the network that some of them are made for; None trains one.
    """
    made = [*_drawn(), *_crafted(Twins(data)(seed) if clean is None else clean, data)]
    x = (data.test.x[:IMAGES] * 255).round() / 255
    shown = _bright(x, data.test.y[:IMAGES])
    pictures = []
    for look in LOOKS:
        for name, its, trigger in made:
            if its == look:
                marked = trigger(x, torch.Generator().manual_seed(seed))
                spectra = mean_spectra(trigger, x, seed=seed)
                pictures.append(
                    Picture(name, look, trigger, x[shown], marked[shown], image_difference(x, marked), spectra)
                )
    return pictures


def _bright(x: Tensor, y: Tensor) -> Tensor:
    """Two rows of different classes whose mean brightness is closest to one half."""
    order = (x.mean((1, 2, 3)) - 0.5).abs().argsort(stable=True)
    return torch.stack((order[0], order[(y[order] != y[order[0]]).nonzero()[0, 0]]))


def page(pictures: list[Picture], data: Dataset) -> tuple[str, dict[str, plots.Plot]]:
    """The Markdown of docs/gallery.md and its figures, by file name."""
    figures, parts = {}, [HEAD.format(data=data.name, n=IMAGES)]
    for look in LOOKS:
        mine = [p for p in pictures if p.look == look]
        alt = f"{look.capitalize()} triggers on two {data.name} images: " + "; ".join(p.name for p in mine)
        name = f"gallery_{look}.png"
        figures[name] = plots.wall(
            [(p.name, p.factor, p.clean, p.marked, p.change, p.spectra["difference"]) for p in mine],
            alt=alt,
        )
        rows = [f"| {p.name} | {_row(p)} |" for p in mine]
        parts += [f"## {look.capitalize()}", TEXTS[look], TABLE + "\n".join(rows), f"![{alt}](figures/{name})"]
    return "\n\n".join(parts) + "\n", figures


def _row(picture: Picture) -> str:
    d = picture.difference
    return f"{d.psnr:.1f} | {d.ssim:.3f} | {d.l0:.0f} | {d.l2:.2f} | {d.linf:.3f} | x{picture.factor} | `{picture.trigger}`"


HEAD = """# Gallery of triggers

Every trigger of the library on the test images of `{data}`, written by `bdlab gallery`. The numbers are means over {n}
images: PSNR in dB and SSIM (higher: more alike), the number of changed pixels (l0), and the l2 and l-infinity norm of the
change with pixel values from 0 to 1. The pictures show the change around grey, enlarged by the factor beside it (at xK a
change of +1/K is white, of -1/K black), and the mean size of its 2-D discrete cosine transform (logarithm; low
frequencies in the upper left)."""
TABLE = "| trigger | PSNR | SSIM | l0 | l2 | l-inf | shown | settings |\n" + "| --- " * 8 + "|\n"
TEXTS: dict[Look, str] = {
    "visible": "A person who looks at the picture sees a mark.",
    "invisible": "Made to be overlooked. The last bits cannot be seen. The two crafted ones are called invisible by their "
    "paper; on pictures this small and this enlarged, a person finds them.",
    "natural": "The picture looks as pictures do: a thing in the scene, a filter of a camera, a window pane.",
}
