"""Networks in files: float16 numbers as safetensors, never a pickle, whose loading could run anybody's code.

A file says which registered net it holds; its sha256 says whether it still is the one that was saved.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from torch import Tensor

from bdlab.contracts import Shape
from bdlab.nets import Net, build

ZOO = Path(__file__).parent / "zoo" / "nets"
"""The networks that come with the package, each as NAME.safetensors beside its card NAME.json."""
HEAD = "net"
"""Where a file's header describes its network."""


def save_model(model: Net, path: str | Path, *, net: str) -> str:
    """Write the weights of `model`, one of the registered nets called `net`, in float16; return the file's sha256.

    The same weights give the same bytes.  Raises: `ValueError` for a model that is no `net`, and for weights that float16
    cannot hold.
    """
    from safetensors.torch import save

    tensors = {name: _half(tensor, name) for name, tensor in model.state_dict().items()}
    channels, height, width = model.input_shape
    empty = build(net, (channels, height, width), model.classes).state_dict()
    if {n: t.shape for n, t in tensors.items()} != {n: t.shape for n, t in empty.items()}:
        raise ValueError(f"model must be a {net} for images {model.input_shape} of {model.classes} classes, got stages "
                         f"{', '.join(model.stages)} of other shapes; name the net that it is")  # fmt: skip
    described = {"name": net, "input_shape": model.input_shape, "classes": model.classes}
    data = save(tensors, metadata={HEAD: json.dumps(described)})
    Path(path).write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def load_model(path: str | Path, sha256: str | None = None) -> Net:
    """The network that `save_model` wrote to `path`, in float32 and eval mode; its bytes must have this sha256, if given.

    Raises: `FileNotFoundError`; `ValueError` for a file that was changed, or that `save_model` did not write.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    data = Path(path).read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if sha256 not in (None, found):
        raise ValueError(f"{path} must have sha256 {sha256}, got {found}: it is not the file that was published; do not use "
                         "it, and fetch it again from where it came")  # fmt: skip
    try:
        name, shape, classes = _described(data)
        net = build(name, shape, classes)
        net.load_state_dict(load(data))  # float16 into float32
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as reason:
        raise ValueError(f"{path} must be a network that save_model wrote, got {len(data)} bytes that are none ({reason}); "
                         "save it again") from reason  # fmt: skip
    return net.eval()


def published(name: str) -> Net:
    """The network of the zoo called `name`, checked against the sha256 of its card.

    Raises: `FileNotFoundError` for one that is not there; `ValueError` for a file that was changed.
    """
    card = json.loads((ZOO / f"{name}.json").read_text(encoding="utf-8"))
    return load_model(ZOO / f"{name}.safetensors", card["sha256"])


def _described(data: bytes) -> tuple[str, Shape, int]:
    """Which net lies in a safetensors file: its header is a length of 8 bytes and that much JSON."""
    head = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    net = json.loads(head["__metadata__"][HEAD])
    channels, height, width = net["input_shape"]
    return net["name"], (channels, height, width), net["classes"]


def _half(tensor: Tensor, name: str) -> Tensor:
    """A float tensor in float16, any other as it is."""
    if not tensor.is_floating_point():
        return tensor
    half = tensor.detach().cpu().to(torch.float16, memory_format=torch.contiguous_format)
    if not half.isfinite().all():
        raise ValueError(f"model must have weights of at most 65504, which float16 holds, got {tensor.abs().max():g} in "
                         f"{name}; train it again")  # fmt: skip
    return half.contiguous()
