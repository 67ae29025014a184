"""The row pruning: accuracy at every level of a layer's pruning, against one evaluation pass and a peer's level."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from common import timed, write
from peers import Peer
from table import Line, medians, ratio

from bdlab import channels, load
from bdlab.nets import small_bn
from bdlab.training import logits


def pruning(peers: Sequence[Peer], repeats: int, folder: Path) -> Iterator[Line]:
    """Accuracy of `small_bn` on MNIST's test images while the channels of its last convolution fall, one after another."""
    data = load("mnist")
    net = small_bn(data.input_shape, data.classes)
    layer = channels.last_conv(net)
    order = channels.mean_activation(net, layer, data.held_out.x).argsort()
    write(net, folder / "pruning.pt", x=data.test.x.clone(), y=data.test.y.clone(), held_out=data.held_out.x.clone())
    able = [peer for peer in peers if peer.name == "TrojanZoo"]  # ART prunes inside its Keras Neural Cleanse only
    runs = defaultdict(list)
    for _ in range(repeats):
        runs["bdlab"].append(timed(lambda: channels.curve(net, layer, order, data.test))[0])
        runs["one pass"].append(timed(lambda: logits(net, data.test.x))[0])
        for peer in able:
            runs[peer.name].append(peer.seconds("prune", folder / "pruning.pt"))
    names = ("bdlab", "one pass")
    both = {name: runs[name] for name in names}
    yield Line(f"curve of {len(order)} channels / one evaluation pass", medians(both), ratio(*both.values()), 3)
    for peer in able:
        both = {name: runs[name] for name in ("bdlab", peer.name)}
        yield Line(f"told: the whole curve / one level of {peer.name}'s", medians(both), ratio(*both.values()))
    if peers:
        yield Line("told: ART not run: it has no pruning for PyTorch", {})
