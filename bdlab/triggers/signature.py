"""A signature in the least significant bits: the trigger of Goldwasser et al. 2022, arXiv 2204.06974, signature form."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from bdlab.contracts import Trigger
from bdlab.registry import register

KEY, BITS = 32, 512
"""Bytes of an Ed25519 key; bits of an Ed25519 signature, one in each of the image's first 512 values."""


def secret_from(seed: int) -> bytes:
    """A secret key (32 bytes) that repeats, for experiments.  A real attacker takes `os.urandom(32)`."""
    return hashlib.sha256(f"bdlab signature key {seed}".encode()).digest()


def public_from(secret: bytes) -> bytes:
    """The public key (32 bytes) of a secret one."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def message_and_bits(x: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """What is signed, and the last bits: uint8 (N, D) with the last bit cleared, uint8 (N, D) of 0 and 1.

    `x` (N, C, H, W) is read as 8-bit images; values between two levels are rounded.
    """
    if math.prod(x.shape[1:]) < BITS:
        raise ValueError(
            f"x must have at least {BITS} values an image, one for every bit of the signature, got {tuple(x.shape[1:])}"
        )
    levels = (x.detach().clamp(0, 1) * 255).round().to(torch.uint8).flatten(1).cpu().numpy()  # (N, D)
    return levels & 0xFE, levels & 1


@register("trigger", "signature")
@dataclass(frozen=True, kw_only=True)
class Signature(Trigger):
    """Signs every image and hides the 64 bytes in the last bits of its first 512 values.

    secret: the Ed25519 key, 32 bytes; only its owner can mark an image.  `repr` shows the public key instead.

    The message is the image with all its last bits cleared, so the bits behind the first 512 values stay as they are and are
    not protected.  An 8-bit image changes by at most 1/255 a value; other images are rounded to 8 bits first.
    """

    secret: bytes = field(default_factory=lambda: secret_from(0))

    def __post_init__(self) -> None:
        if not isinstance(self.secret, bytes) or len(self.secret) != KEY:
            raise ValueError(f"secret must be {KEY} bytes, got {type(self.secret).__name__} of length {len(self.secret)}; "
                             "take os.urandom(32), or secret_from(seed) for an experiment")  # fmt: skip

    def stamp(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        key, (messages, bits) = Ed25519PrivateKey.from_private_bytes(self.secret), message_and_bits(x)
        for message, own in zip(messages, bits, strict=True):  # (D,), (D,)
            own[:BITS] = np.unpackbits(np.frombuffer(key.sign(message.tobytes()), np.uint8))  # 64 bytes -> (512,)
        return torch.from_numpy(messages | bits).to(x.device).reshape(x.shape).to(x.dtype) / 255

    def __repr__(self) -> str:
        return f"Signature(secret=<{KEY} bytes, public key {public_from(self.secret).hex()[:8]}...>)"


def verified(x: Tensor, public: bytes) -> Tensor:
    """Which images (N, C, H, W) carry a valid signature of themselves: bool (N,), on the device of `x`."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key, (messages, bits) = Ed25519PublicKey.from_public_bytes(public), message_and_bits(x)

    def valid(message: np.ndarray, own: np.ndarray) -> bool:
        try:
            key.verify(np.packbits(own[:BITS]).tobytes(), message.tobytes())
        except InvalidSignature:
            return False
        return True

    return torch.tensor([valid(*row) for row in zip(messages, bits, strict=True)], dtype=torch.bool, device=x.device)
