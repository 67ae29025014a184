"""Data sets: what is in them, where they come from, and what is said when they are not there."""

import os
import struct

import numpy as np
import pytest
import torch

import bdlab
from bdlab.contracts import Recipe
from bdlab.data import digits as digits_module
from bdlab.data.cache import cache_folder, cached
from bdlab.data.real import LAYOUTS, data_folder
from bdlab.data.sign_drawing import draw
from bdlab.data.speech import log_mel, mel_bank
from bdlab.training import evaluate, fit

PARTS = ("train", "test", "held_out", "calibration")
SIZES = {"train": 6000, "test": 1500, "held_out": 1000, "calibration": 500}


def _same(one, two):
    return all(torch.equal(getattr(one, part).x, getattr(two, part).x) for part in PARTS)


def _disjoint(data):
    """No source number is in two parts."""
    sources = [set(getattr(data, part).source.tolist()) for part in PARTS]
    return sum(map(len, sources)) == len(set.union(*sources))


@pytest.mark.parametrize(("name", "shape", "classes"), [("digits", (1, 28, 28), 10), ("signs", (3, 32, 32), 16)])
def test_embedded_sets(name, shape, classes, request):
    data = request.getfixturevalue(name)
    assert data.input_shape == shape and data.classes == classes == len(set(data.labels)) and data.about
    for part, size in SIZES.items():
        split = getattr(data, part)
        assert split.x.shape == (size, *shape) and split.x.dtype == torch.float32 and split.y.dtype == torch.int64
        assert split.x.min() < 0.05 and split.x.max() > 0.95 and split.classes == classes
        share = split.y.bincount(minlength=classes) / size * classes  # 1 where all classes are equally frequent
        assert share.min() > 0.5 and share.max() < 1.6, (part, share)
        assert split.x.flatten(1).std(0).mean() > 0.1  # the pictures differ
    every = torch.cat([getattr(data, part).x for part in PARTS]).flatten(1)
    assert len({row.tobytes() for row in (every * 255).byte().numpy()}) == len(every)  # no picture twice


def test_no_source_is_in_two_parts_of_digits(digits):
    assert _disjoint(digits)
    assert [getattr(digits, part).sources for part in PARTS] == [897, 400, 250, 250]
    for part in PARTS:
        split = getattr(digits, part)
        labels = {}
        assert all(labels.setdefault(s, y) == y for s, y in zip(split.source.tolist(), split.y.tolist(), strict=True))


def test_no_source_is_in_two_parts_of_signs(signs):
    assert [getattr(signs, part).sources for part in PARTS] == [6000, 1500, 1000, 500]
    assert _disjoint(signs), "Split.source numbers every part from 0, so pictures of two parts seem to be related"


def test_digits_come_from_their_seed(digits, monkeypatch, global_rng_untouched):
    monkeypatch.setenv("BDLAB_CACHE", "off")
    assert _same(bdlab.load("digits"), digits)  # built anew, in memory
    other = bdlab.load("digits", seed=1)
    assert not _same(other, digits) and set(other.test.source.tolist()) != set(digits.test.source.tolist())


def test_signs_come_from_their_seed(global_rng_untouched):
    (one, labels), (two, _), (other, _) = draw(64, 0), draw(64, 0), draw(64, 1)
    assert np.array_equal(one, two) and not np.array_equal(one, other)
    assert one.shape == (64, 32, 32, 3) and one.dtype == np.uint8 and np.bincount(labels).tolist() == [4] * 16


def test_a_digit_is_a_bright_stroke_on_black_paper(digits):
    corners = digits.train.x[:, 0, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert corners.mean() < 0.02 and digits.train.x[:, 0, 8:20, 8:20].mean() > 0.2
    assert (digits.train.x == 0).float().mean() > 0.5


def test_no_network_is_needed(monkeypatch, tmp_path, signs, fresh):
    def refuse(*arguments, **options):
        raise AssertionError("something opened a socket")

    monkeypatch.setattr("socket.socket", refuse)
    monkeypatch.setattr("socket.create_connection", refuse)
    monkeypatch.setenv("BDLAB_CACHE", str(tmp_path))
    data = bdlab.load("digits")
    draw(8, 0)
    backdoor = bdlab.BadNets(recipe=Recipe(epochs=1))(fresh(data), data.train[:256])
    assert evaluate(backdoor, data.test[:50]).clean_n == 50
    assert fit(fresh(signs), signs.train[:64], Recipe(epochs=1)) is not None
    for name in ("mnist", "fashion_mnist", "cifar10", "gtsrb"):
        monkeypatch.setenv("BDLAB_DATA", str(tmp_path / "none"))
        with pytest.raises(FileNotFoundError):
            bdlab.load(name)


def test_the_second_load_reads_the_file(tmp_path, monkeypatch, digits):
    monkeypatch.setenv("BDLAB_CACHE", str(tmp_path / "new" / "folder"))
    assert _same(bdlab.load("digits"), digits)
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["digits-1-seed0.npz"]
    monkeypatch.setattr(digits_module, "_make", lambda seed: pytest.fail("built a second time"))
    assert _same(bdlab.load("digits"), digits)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache folder with one file in it: a.npz."""
    monkeypatch.setenv("BDLAB_CACHE", str(tmp_path))
    cached("a", lambda: {"x": np.arange(1000), "y": np.eye(3)})
    return tmp_path


def test_what_was_cached_comes_back(cache):
    kept = cached("a", lambda: pytest.fail("made again"))
    assert np.array_equal(kept["x"], np.arange(1000)) and np.array_equal(kept["y"], np.eye(3)) and len(kept) == 2
    assert os.listdir(cache) == ["a.npz"] and (cache / "a.npz").stat().st_mode & 0o444 == 0o444


def _truncate(raw):
    return raw[: len(raw) // 2]


def _flip(raw):
    return raw[:2000] + bytes([raw[2000] ^ 1]) + raw[2001:]  # one bit of x


@pytest.mark.parametrize(
    "damage", [_truncate, _flip, lambda raw: b"", lambda raw: b"not a zip file", lambda raw: raw[:-1]]
)
def test_a_damaged_file_is_an_error_that_says_what_to_do(damage, cache):
    path = cache / "a.npz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"cache file .*a\.npz is damaged .*; delete it and call again"):
        cached("a", lambda: pytest.fail("made again in silence"))
    path.unlink()
    assert cached("a", lambda: {"x": np.ones(1)})["x"].tolist() == [1]


def test_a_pickle_is_not_loaded(cache):
    np.savez(cache / "evil.npz", x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="delete it"):
        cached("evil", dict)


def test_a_failed_build_leaves_nothing_behind(cache, monkeypatch):
    with pytest.raises(KeyError):
        cached("b", lambda: {}["no"])

    def full(file, **arrays):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="disk full"):
        cached("b", lambda: {"x": np.ones(1)})
    assert os.listdir(cache) == ["a.npz"]


def test_a_folder_that_cannot_be_written_is_named_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BDLAB_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(OSError, match=r"cache folder .*file/cache cannot be written \(.+\); set BDLAB_CACHE to"):
        cached("a", lambda: pytest.fail("worked first"))
    with pytest.raises(OSError, match="or to 'off' to build the data in memory"):
        bdlab.load("digits")


def test_where_the_cache_lies(monkeypatch, tmp_path):
    monkeypatch.setenv("BDLAB_CACHE", "off")
    assert cache_folder() is None and cached("a", lambda: {"x": np.ones(2)})["x"].sum() == 2
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("BDLAB_CACHE", "~/c")
    assert cache_folder() == tmp_path / "c"
    monkeypatch.delenv("BDLAB_CACHE")
    assert "bdlab" in cache_folder().parts


def test_an_unknown_set_gets_the_list():
    with pytest.raises(ValueError, match=r"dataset must be one of digits, .*mnist.*; got 'minst'") as error:
        bdlab.load("minst")
    assert all(name in str(error.value) for name in ("digits", "signs", *LAYOUTS))


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_set_that_is_not_there_names_itself_its_layout_and_the_ways_to_go_on(name, tmp_path, monkeypatch):
    monkeypatch.setenv("BDLAB_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError) as error:
        bdlab.load(name)
    text = str(error.value)
    assert repr(name) in text and LAYOUTS[name] in text and str(tmp_path) in text and "BDLAB_DATA" in text
    assert ("download=True" in text) == (name != "speech")
    assert not list(tmp_path.iterdir())


def _idx(path, array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    path.write_bytes(header + array.tobytes())


def test_a_folder_in_torchvisions_layout_is_read(tmp_path, monkeypatch):
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    made = {}
    for prefix, count in (("train", 6000), ("t10k", 100)):
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = rng.integers(0, 10, count, dtype=np.uint8)
        _idx(raw / f"{prefix}-images-idx3-ubyte", images)
        _idx(raw / f"{prefix}-labels-idx1-ubyte", labels)
        made[prefix] = torch.from_numpy(images)[:, None].float() / 255, torch.from_numpy(labels).long()
    monkeypatch.setenv("BDLAB_DATA", str(tmp_path))
    data = bdlab.load("fashion_mnist")
    assert [len(getattr(data, part)) for part in PARTS] == [1000, 100, 3000, 2000]
    x, y = made["train"]
    for part in ("train", "held_out", "calibration"):  # `source` is the row of the official training set
        split = getattr(data, part)
        assert torch.equal(split.x, x[split.source]) and torch.equal(split.y, y[split.source])
    assert _disjoint(data)
    assert torch.equal(data.test.x, made["t10k"][0]) and torch.equal(data.test.y, made["t10k"][1])
    assert data.labels[9] == "Ankle boot" and _same(bdlab.load("fashion_mnist"), data)
    assert not torch.equal(bdlab.load("fashion_mnist", seed=1).held_out.source, data.held_out.source)


def test_mel_bands_are_equally_wide_on_the_mel_scale_and_a_tone_lights_its_own():
    hertz = torch.linspace(0, 4000, 129)
    bank = mel_bank()
    centres = [float((row * hertz).sum() / row.sum()) for row in bank]
    mel = [2595 * np.log10(1 + f / 700) for f in centres]
    width = 2595 * np.log10(1 + 4000 / 700) / 33  # 32 triangles overlap by half
    assert bank.shape == (32, 129) and bank.min() == 0 and bank.max() <= 1
    assert np.diff(mel)[10:].tolist() == pytest.approx([width] * 21, rel=0.2)  # low bands are as narrow as the bins
    for frequency in (400.0, 1000.0, 3000.0):
        tone = torch.sin(2 * torch.pi * frequency * torch.arange(6400) / 8000)[None] / 2
        image = log_mel(tone)
        band = 31 - int(image[0, 0].mean(1).argmax())  # row 0 is the highest
        assert image.shape == (1, 1, 32, 32) and abs(centres[band] - frequency) < 0.1 * frequency + 31.25


MNIST_FREQUENCY = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]


def _real(name):
    if "BDLAB_DATA" not in os.environ:
        pytest.skip("BDLAB_DATA does not name a folder with real data sets")
    return bdlab.load(name)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "shape", "counts", "first", "frequency"),
    [
        ("mnist", (1, 28, 28), (55000, 10000, 3000, 2000), "0 - zero", MNIST_FREQUENCY),
        ("cifar10", (3, 32, 32), (45000, 10000, 3000, 2000), "airplane", [5000] * 10),
    ],
)
def test_official_arrays(name, shape, counts, first, frequency):
    data = _real(name)
    assert tuple(len(getattr(data, part)) for part in PARTS) == counts and data.input_shape == shape
    assert _disjoint(data) and data.classes == 10
    official = sum(getattr(data, part).y.bincount() for part in ("train", "held_out", "calibration"))
    assert official.tolist() == frequency and data.labels[0] == first


@pytest.mark.data
@pytest.mark.slow
def test_gtsrb_holds_out_whole_tracks():
    data = _real("gtsrb")
    assert data.input_shape == (3, 32, 32) and data.classes == 43 and len(data.test) == 12630
    own = ("train", "held_out", "calibration")
    files = list((data_folder() / "gtsrb" / "GTSRB" / "Training").rglob("*.ppm"))  # torchvision's has 26,640
    assert sum(len(getattr(data, part)) for part in own) == len(files) > 20000 and _disjoint(data)
    for part in own:
        split = getattr(data, part)
        assert split.y.unique().numel() == 43 and 15 < len(split) / split.sources <= 30  # some 30 frames a track
        assert torch.equal(split.source // 100_000, split.y)
    assert min(data.held_out.sources, data.calibration.sources) >= 43


@pytest.mark.data
def test_spoken_digits():
    data = _real("speech")
    assert [len(getattr(data, part)) for part in PARTS] == [2200, 300, 300, 200] and data.input_shape == (1, 32, 32)
    assert data.test.y.bincount().tolist() == [30] * 10 and _disjoint(data)
    for part in PARTS:
        x = getattr(data, part).x
        assert (x.amax((1, 2, 3)) == 1).all() and 0.1 < x.mean() < 0.8  # every recording reaches its own peak
