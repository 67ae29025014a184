"""Files that are there and are not whole: a line that names the file and the remedy."""

import struct

import numpy as np
import pytest
from PIL import Image

import bdlab


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("BDLAB_DATA", str(tmp_path))
    monkeypatch.setenv("BDLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path


def _idx(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    head = struct.pack(">HBB", 0, 8, array.ndim) + b"".join(struct.pack(">I", n) for n in array.shape)
    path.write_bytes(head + array.astype(np.uint8).tobytes())


def _mnist(folder, images=5100, labels=None):
    rng, raw = np.random.default_rng(0), folder / "MNIST" / "raw"
    for kind, n in (("train", images), ("t10k", 50)):
        _idx(raw / f"{kind}-images-idx3-ubyte", rng.integers(0, 256, (n, 28, 28)))
        _idx(raw / f"{kind}-labels-idx1-ubyte", rng.integers(0, 10, labels if labels and kind == "train" else n))
    return raw / "train-images-idx3-ubyte"


@pytest.mark.parametrize("content", [b"", b"<html>404 not found</html>", None], ids=["empty", "web page", "cut"])
def test_a_damaged_mnist_file_is_named(content, folder):
    path = _mnist(folder)
    path.write_bytes(path.read_bytes()[:10_000] if content is None else content)
    with pytest.raises(ValueError, match=r"data file .*train-images-idx3-ubyte is damaged \(.*; delete it and fetch it"):
        bdlab.load("mnist")


def test_mnist_with_a_label_too_few_or_too_few_images(folder):
    _mnist(folder, labels=5099)
    with pytest.raises(ValueError, match="must have a label for each image, got 5100 images and 5099 labels"):
        bdlab.load("mnist")
    _mnist(folder, images=4000)
    with pytest.raises(ValueError, match=r"must have more than 5000 training images, got 4000 .* so many are held out"):
        bdlab.load("mnist")


def test_a_damaged_cifar_batch_is_named(folder):
    batches = folder / "cifar-10-batches-py"
    batches.mkdir()
    (batches / "data_batch_1").write_bytes(b"<html>")
    with pytest.raises(ValueError, match=r"data file .*data_batch_1 is damaged \(its checksum is not that of the official"):
        bdlab.load("cifar10")


def _gtsrb(folder, red, tracks=3):
    for label in range(43):
        pictures = folder / "gtsrb/GTSRB/Training" / f"{label:05d}"
        pictures.mkdir(parents=True, exist_ok=True)
        for track in range(tracks):
            Image.new("RGB", (40, 30), (red, label, 0)).save(pictures / f"{track:05d}_00000.ppm")
    tests, rows = folder / "gtsrb/GTSRB/Final_Test/Images", ["Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId"]
    tests.mkdir(parents=True, exist_ok=True)
    for label in range(43):
        Image.new("RGB", (40, 30), (red, label, 0)).save(tests / f"{label:05d}.ppm")
        rows.append(f"{label:05d}.ppm;40;30;0;0;1;1;{label}")
    (folder / "gtsrb/GT-final_test.csv").write_text("\n".join(rows))


def test_other_pictures_of_the_same_number_are_not_taken_from_the_cache(folder):
    for red in (10, 200):
        _gtsrb(folder, red)
        assert (bdlab.load("gtsrb").train.x[:, 0] * 255).round().unique().tolist() == [red]


@pytest.mark.parametrize("content", [b"", b"<html>", None], ids=["empty", "web page", "cut"])
def test_a_damaged_picture_is_named(content, folder):
    _gtsrb(folder, 10)
    path = folder / "gtsrb/GTSRB/Training/00007/00001_00000.ppm"
    path.write_bytes(path.read_bytes()[:100] if content is None else content)
    with pytest.raises(ValueError, match=r"data file .*00007/00001_00000\.ppm is damaged \(.*; delete it and fetch it"):
        bdlab.load("gtsrb")


def test_gtsrb_with_one_track_a_class_or_a_table_that_is_none(folder):
    _gtsrb(folder, 10, tracks=1)
    with pytest.raises(ValueError, match=r"must have at least 3 tracks a class, .* got 1 of class 0"):
        bdlab.load("gtsrb")
    (folder / "gtsrb/GT-final_test.csv").write_text("<html>")
    with pytest.raises(ValueError, match=r"data file .*GT-final_test\.csv is damaged"):
        bdlab.load("gtsrb")


@pytest.mark.parametrize("content", [b"", b"<html>"])
def test_a_damaged_archive_of_sounds_is_named(content, folder):
    (folder / "fsdd").mkdir()
    (folder / "fsdd/fsdd.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"data file .*fsdd\.npz is damaged"):
        bdlab.load("speech")
