"""Networks in files: what is saved comes back, rounded; what was changed is refused; nothing is unpickled."""

import hashlib
import json
import pickle

import pytest
import torch

from bdlab import nets
from bdlab.registry import registered
from bdlab.training import logits
from bdlab.weights import load_model, save_model


def _used(name, shape=(3, 32, 32), classes=5):
    """A net whose batch norms have seen data."""
    net = nets.build(name, shape, classes, seed=3).train()
    net(torch.rand(8, *shape, generator=torch.Generator().manual_seed(0)))
    return net.eval()


@pytest.mark.parametrize("name", [name for name in registered("net") if name != "preact_resnet18"])
def test_a_net_comes_back_as_its_numbers_rounded_to_float16(name, tmp_path):
    net, x = _used(name), torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    sha256 = save_model(net, tmp_path / "a", net=name)
    found = load_model(tmp_path / "a", sha256)
    assert type(found) is nets.Net and (found.input_shape, found.classes) == ((3, 32, 32), 5) and not found.training
    assert found.stages == net.stages
    for key, tensor in net.state_dict().items():
        kept = found.state_dict()[key]
        assert kept.dtype == tensor.dtype and torch.equal(kept, tensor.half().to(tensor.dtype)), key
    assert torch.allclose(logits(found, x), logits(net, x), atol=2e-2) and not torch.equal(logits(found, x), logits(net, x))


def test_the_same_weights_give_the_same_bytes_half_as_many_as_in_float32(tmp_path, global_rng_untouched):
    net = _used("small_bn")
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    sha256 = [save_model(net, tmp_path / name, net="small_bn") for name in "ab"]
    data = (tmp_path / "a").read_bytes()
    assert data == (tmp_path / "b").read_bytes() and sha256 == [hashlib.sha256(data).hexdigest()] * 2
    floats = sum(tensor.numel() for tensor in before.values() if tensor.is_floating_point())
    assert 2 * floats < len(data) < 2 * floats + 3000
    assert all(torch.equal(tensor, before[key]) for key, tensor in net.state_dict().items())
    load_model(tmp_path / "a")


def test_a_file_that_was_changed_is_refused_with_both_hashes(tmp_path):
    path = tmp_path / "net.safetensors"
    sha256 = save_model(_used("small_bn"), path, net="small_bn")
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    found = hashlib.sha256(data).hexdigest()
    with pytest.raises(ValueError, match=rf"net\.safetensors must have sha256 {sha256}, got {found}: .* fetch it again"):
        load_model(path, sha256)
    load_model(path)  # without a hash nobody can tell


def _header(data, change):
    """The file `data` with another header."""
    size = int.from_bytes(data[:8], "little")
    head = json.loads(data[8 : 8 + size])
    change(head)
    text = json.dumps(head).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + size :]


CHANGES = {
    "empty": lambda data: b"",
    "cut off": lambda data: data[:-1],
    "a pickle": lambda data: pickle.dumps({"weight": [1.0]}),
    "no net named": lambda data: _header(data, lambda head: head["__metadata__"].clear()),
    "an unknown net": lambda data: data.replace(b"small_bn", b"small_no"),
    "another net": lambda data: data.replace(b"small_bn", b"fast_bn "),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_what_save_model_did_not_write_is_refused(change, tmp_path):
    path = tmp_path / "net.safetensors"
    save_model(_used("small_bn"), path, net="small_bn")
    path.write_bytes(CHANGES[change](path.read_bytes()))
    with pytest.raises(ValueError, match=r"net\.safetensors must be a network that save_model wrote, got \d+ bytes"):
        load_model(path)


def test_a_file_that_is_not_there():
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_model("nowhere")


def test_what_cannot_be_saved_is_refused_and_leaves_no_file(tmp_path):
    net = _used("small_bn")
    said = r"model must be a fast_bn for images \(3, 32, 32\) of 5 classes, got stages normalize"
    with pytest.raises(ValueError, match=said):
        save_model(net, tmp_path / "a", net="fast_bn")
    with torch.no_grad():
        net.conv1[0].weight[0, 0, 0, 0] = 7e4
    with pytest.raises(ValueError, match=r"weights of at most 65504, which float16 holds, got 70000 in conv1\.0\.weight"):
        save_model(net, tmp_path / "a", net="small_bn")
    assert not (tmp_path / "a").exists()
