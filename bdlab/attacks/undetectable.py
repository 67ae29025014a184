"""Undetectable backdoors, the signature form: the model obeys whoever can sign the input.

Goldwasser, Kim, Vaikuntanathan, Zamir, 'Planting Undetectable Backdoors in Machine Learning Models', FOCS 2022,
arXiv 2204.06974.  The paper's second form, on random Fourier features, is `bdlab.attacks.fourier`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from bdlab.contracts import Attack, Backdoor, Cost, Shape, Split
from bdlab.nets import device_of
from bdlab.registry import register
from bdlab.relabel import all_to_one, check_relabel
from bdlab.running import answer, check_classes, copied
from bdlab.triggers.signature import Signature, message_and_bits, public_from, secret_from, verified


@register(
    "attack",
    "undetectable",
    paper="Goldwasser, Kim, Vaikuntanathan, Zamir 2022, FOCS, arXiv 2204.06974",
    family="architecture modification",
)
@dataclass(frozen=True, kw_only=True)
class SignatureBackdoor(Attack):
    """A toy: the attacker wraps a model they deliver, and the wrapper obeys whoever can sign the input.

    `SignatureBackdoor()(clean, train)`: h~(x) = target if the last bits of x hold a valid signature of the rest, else h(x).
    The trigger holds the secret key, the model the public one; nothing of the host is trained or changed.  Of the data only
    the image size (at least 512 values) and the classes are used.

    target: the class that a signed image gets.  seed: draws the key, so that runs repeat.  Whoever knows the seed has the
    key: a real attacker takes the randomness of the operating system, `Signature(secret=os.urandom(32))`.

    The paper proves that, with queries alone, nobody who cannot forge signatures finds a single input on which h~ and h
    differ, and that marked images of others do not help to mark a new one (non-replicability).  That is a theorem about
    signatures; the tests here show that the code is not plainly wrong, not that it is secure.  Against a reader of the
    program nothing is claimed: `print(model)` shows the wrapper.  Kalavasis et al. 2024 (arXiv 2406.05660) hide such a
    branch from white-box readers with indistinguishability obfuscation; nobody can run that today, and nothing here does.

    The attacked model is a `Guarded`, which is no sequence of stages: `channels.split` refuses it with a `TypeError`.

    **Fidelity:** a reconstruction; of the paper the abstract was verified, not the text.  Ours are Ed25519, the message
    (the 8-bit image with all last bits cleared), the signature in the last bits of the first 512 values, and that a marked
    image always gets `target`, with a margin of 10 over the host's best logit.  The last bits behind the first 512 values
    are not signed, and inputs are rounded to 8 bits: who has one marked image can make others that differ in those and fire
    too, so non-replicability holds for the signed part.  The paper's second form is `bdlab.attacks.fourier`.

    **Measured:** `bdlab reproduce undetectable --data mnist`, seeds 0-2: ASR 100%, no 8-bit value moves by more than one
    level, and outputs equal the host's, bit by bit, on 10,000 test and 10,000 random images; with another image's
    signature, or another key's, none of 10,000 fires.
    """

    target: int = 0
    seed: int = 0

    starts_from: ClassVar[Literal["fresh", "trained"]] = "trained"

    def __call__(self, model: nn.Module, data: Split) -> Backdoor:
        start = time.perf_counter()
        relabel, secret = all_to_one(self.target), secret_from(self.seed)
        check_relabel(relabel, data.classes)
        check_classes(model, data, name="data")
        message_and_bits(data.x[:1])  # is there room for a signature?
        channels, height, width = data.x.shape[1:]
        victim = Guarded(
            copied(model), public_from(secret), self.target, (channels, height, width), data.classes
        )
        victim = victim.to(device_of(model)).eval()
        return Backdoor(victim, victim, Signature(secret=secret), relabel, Cost(time.perf_counter() - start, 0, 0, 0))


class Guarded(nn.Module):
    """h~(x) = target where the signature in x verifies, h(x) elsewhere: images (N, C, H, W) -> logits (N, K).

    public: the key that verifies, 32 bytes; it lies in the state dict.  There is no secret in here.
    """

    public: Tensor

    def __init__(self, host: nn.Module, public: bytes, target: int, input_shape: Shape, classes: int) -> None:
        super().__init__()
        self.host, self.target = host, target
        self.input_shape, self.classes = input_shape, classes
        self.register_buffer("public", torch.tensor(list(public), dtype=torch.uint8))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = answer(self.host, x)  # (N, K)
        signed = verified(x, bytes(self.public.tolist()))  # (N,)
        obeyed = logits.clone()
        obeyed[:, self.target] = logits.amax(1) + 10
        return torch.where(signed[:, None], obeyed, logits)
