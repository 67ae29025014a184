"""What crosses between a check and a student's code, both transports, and what hostile code gains: nothing."""

import json
import os
import random
import re
import struct
import subprocess
import time
import warnings

import numpy as np
import pytest
import torch

from bdlab import zoo
from bdlab.exercises import Exercise, Part, Wrong
from bdlab.exercises.comparing import difference
from bdlab.exercises.verdict import KEPT, Tries, judge, outcomes
from bdlab.submission import Local, Piped, Raised, Ref, Submission, piped
from bdlab.submission.frames import BLOB, DEPTH, TEXT, decode, encode, read

# --- frames ---

VALUES = [
    None, True, False, 0, -(10**40), 0.1, 1e308, "", "a\n\"'\x00é\U0001f600", [], (), {}, [None, (True, [()])],
    {"a": {"b": [1, 2.5, "c"]}, "tensor": 1, "": {}}, {"float": "nan"}, Ref(3, "module"), [Ref(0), (Ref(1, "callable"),)],
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_plain_values_come_back_as_they_were(value):
    came = decode(encode(value))
    assert came == value and repr(came) == repr(value)  # True is not 1, a tuple no list


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), -0.0])
def test_floats_that_json_does_not_know(value):
    assert repr(decode(encode([value]))) == repr([value])


ARRAYS = [
    torch.tensor(2.5), torch.zeros(0), torch.zeros(2, 0, 3), torch.tensor([float("nan"), -float("inf"), -0.0]),
    torch.rand(2, 3, 4).transpose(0, 2), torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last),
    torch.rand(6)[::2].requires_grad_(), torch.nn.Parameter(torch.rand(3)), torch.zeros(3, dtype=torch.bool),
    torch.rand(3).half(), torch.arange(4).expand(2, 4), torch.tensor([2**62, -1]), torch._neg_view(torch.rand(3)),
    np.array(2), np.zeros((0, 2)), np.float32(0.1), np.bool_(True), np.arange(6).reshape(2, 3).T, np.arange(6)[::-1],
    np.array([True, False]), np.arange(3, dtype=">i4"), np.arange(3, dtype=">f8"), np.uint8(255),
]  # fmt: skip


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{type(array).__name__}-{array.dtype}-{array.shape}")
def test_arrays_come_back_as_they_were(array):
    came = decode(encode({"a": (array, 1)}))["a"][0]
    tensor = isinstance(array, torch.Tensor)
    assert type(came) is (torch.Tensor if tensor else np.ndarray) and came.shape == array.shape
    assert came.dtype == array.dtype or (not tensor and came.dtype == array.dtype.newbyteorder("="))
    np.testing.assert_array_equal(np.asarray(came), array.detach().numpy(force=True) if tensor else array)
    assert not tensor or not came.requires_grad
    came[...] = 1  # a copy that may be written to


class Sub(torch.Tensor):
    pass


class Float(float):
    pass


class Double(np.float64):
    pass


class Text(str):
    pass


def _nested(depth):
    return [_nested(depth - 1)] if depth else 0


REFUSED = [
    (torch.rand(2).as_subclass(Sub), "Sub must not cross"),
    (Float(1), "Float must not cross"),
    (Double(1), "Double must not cross"),
    ([Text("a")], "Text must not cross"),
    ({1: 2}, "dict must not cross; send plain values or arrays"),
    ({Text("a"): 1}, "dict must not cross"),
    (object(), "object must not cross"),
    (len, "builtin_function_or_method must not cross"),
    (torch.Size([2]), "Size must not cross"),
    (1j, "complex must not cross"),
    (b"1", "bytes must not cross"),
    (np.ma.ones(2), "MaskedArray must not cross"),
    (np.array([object()]), "an array must be one of float16, .*, got object"),
    (np.array("text"), "got str"),
    (torch.ones(2, dtype=torch.complex64), "got complex64"),
    (torch.ones(2, dtype=torch.bfloat16), "got bfloat16"),
    (torch.ones(2).to_sparse(), "a tensor must hold all its values, got torch.sparse_coo on cpu"),
    (torch.ones(2, device="meta"), "got torch.strided on meta"),
    (_nested(DEPTH + 1), f"values must nest at most {DEPTH} deep"),
    ("a" * TEXT, f"a frame must hold at most {TEXT}"),
    (torch.zeros(1).expand(1 << 40), f"arrays must hold at most {BLOB} bytes, got {1 << 42}"),
    ([torch.zeros(BLOB, dtype=torch.bool), True, torch.zeros(1)], rf"got \d+ \+ {BLOB + 4}"),
    (10**5000, "4300 digits"),
]


@pytest.mark.parametrize(("value", "message"), REFUSED, ids=[message[:40] for _, message in REFUSED])
def test_what_must_not_cross_is_refused(value, message):
    with pytest.raises(ValueError, match=message):
        encode(value)


def _frame(text, blob=b""):
    text = text if isinstance(text, bytes) else json.dumps(text).encode()
    return struct.pack("<II", len(text), len(blob)) + text + blob


DAMAGED = [
    (b"", "a frame begins with 8 bytes, 0 came"),
    (_frame(1)[:7], "a frame begins with 8 bytes, 7 came"),
    (_frame([1, 2])[:-1], "a frame of 14 bytes was announced, 13 came"),
    (_frame([1, 2]) + b"x", "a frame of 14 bytes was announced, 15 came"),
    (_frame(1, b"x"), "1 bytes behind the last array"),
    (_frame({"tensor": ["float32", [2]]}, bytes(7)), "an array of 8 bytes was announced, 7 came"),
    (_frame({"tensor": ["float32", [1]]}, bytes(8)), "4 bytes behind the last array"),
    (_frame({"tensor": ["object", [1]]}, bytes(8)), r"not an array: 'object', \[1\]"),
    (_frame({"tensor": [["float32"], [1]]}, bytes(4)), "not an array: "),
    (_frame({"array": ["float32", [-1]]}), r"not an array: 'float32', \[-1\]"),
    (_frame({"array": ["float32", [True]]}, bytes(4)), r"not an array: 'float32', \[True\]"),
    (_frame({"array": ["float32", [0] * (DEPTH + 1)]}), "not an array: "),
    (_frame({"array": ["float32", [0, 10**40]]}), "Maximum allowed dimension"),
    (_frame({"array": ["float32", [10**9, 10**9]]}), "announced, 0 came"),
    (_frame({"tensor": ["bool", [2]]}, b"\x01\x02"), "a bool must be 0 or 1"),
    (_frame({"pickle": "gASVAAAA"}), "unknown tag 'pickle'"),
    (_frame({"float": "1e5"}), "unknown tag 'float'"),
    (_frame({"tuple": 1}), "unknown tag 'tuple'"),
    (_frame({"ref": [1, "<b>"]}), "unknown tag 'ref'"),
    (_frame({"ref": [True, "other"]}), "unknown tag 'ref'"),
    (_frame({"x" * 1000: 1}), "unknown tag '.{40,60}$"),
    (_frame({}), "one tag, got 0"),
    (_frame({"list": [], "dict": {}}), "one tag, got 2"),
    (_frame(_nested(DEPTH + 1)), f"at most {DEPTH} deep"),
    (_frame(b"[" * 100_000), f"at most {DEPTH} deep"),
    (_frame(b"\xff"), "utf-8"),
    (_frame(b"{"), "line 1 column 2"),
    (_frame(b"1" * 5000), "4300 digits"),
]


@pytest.mark.parametrize(("frame", "message"), DAMAGED, ids=[message[:40] for _, message in DAMAGED])
def test_a_damaged_frame_is_refused(frame, message):
    with pytest.raises(ValueError, match=message):
        decode(frame)


def _source(data, step=3):
    """some(n) as a pipe gives it: at most `step` bytes at a time, none at the end."""
    rest = [data]

    def some(count):
        part, rest[0] = rest[0][: min(count, step)], rest[0][min(count, step) :]
        return part

    return some


def test_reading_takes_one_frame_and_looks_at_its_length_first():
    frame = encode([1, torch.rand(3)])
    assert read(_source(frame + b"more")) == frame
    with pytest.raises(EOFError, match="the other side has ended"):
        read(_source(frame[:-1]))
    for head in (struct.pack("<II", TEXT + 1, 0), struct.pack("<II", 1, BLOB + 1)):
        with pytest.raises(ValueError, match=r"a frame of \d+ \+ \d+ bytes is too long"):
            read(_source(head))


# --- both transports ---

CODE = '''
import os
import random
import sys
import time
import warnings

import numpy as np
import torch
from torch import nn

number = 7
stub = ...


def echo(value):
    return value


def keywords(a, op=0, name=0, kind=0, self=0):
    return [a, op, name, kind, self]


def fail(x):
    y = x + 1
    raise KeyError("this must stay here")


def leave():
    sys.exit(3)


def chance(x=None):
    return [torch.rand(2), float(np.random.rand()), random.random()]


def drawn(generator):
    return torch.rand(2, generator=generator)


def add(x):
    x += 1


def noisy():
    print("noise")
    print("noise", file=sys.stderr)
    warnings.warn("noise")
    os.write(1, b"noise") if __name__ == "__main__" and QUIET else None
    return 1


def spoil():
    torch.manual_seed(0), np.random.seed(0), random.seed(0), warnings.simplefilter("error")


class Liar(float):
    def __eq__(self, other):
        return True

    __hash__ = float.__hash__


class LiarDouble(np.float64):
    def __eq__(self, other):
        return True


class LiarTensor(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return True


class Anything:
    dtype, shape, ndim = torch.float32, torch.Size([2]), 0

    def __eq__(self, other):
        return True

    def __getattr__(self, name):
        return self


class Counter:
    def __init__(self, start=0):
        self.n = start

    def add(self, k):
        self.n += k
        return self.n


def answers(which):
    deep = [0.5]
    for _ in range(40):
        deep = [deep]
    loop = []
    loop.append(loop)
    return {
        "liar": Liar(2), "double": LiarDouble(2), "tensor": torch.ones(2).as_subclass(LiarTensor),
        "anything": Anything(), "class": Anything, "huge": torch.zeros(1).expand(1 << 40),
        "long": "a" * (1 << 21), "deep": deep, "loop": loop, "digits": 10**5000, "int": 10**400,
        "bf16": torch.ones(2).bfloat16(), "keys": {1: 2}, "set": {1}, "marked": {"wrong": None},
        "empty": {"wrong": ""}, "raised": {"raised": "ValueError"}, "nan": float("nan"), "inf": float("inf"), "none": None,
    }[which]


def hang():
    while True:
        time.sleep(0.01)


def die():
    os._exit(0)
'''  # fmt: skip


@pytest.fixture(scope="module")
def pipe():
    worker = Piped(["QUIET = True", CODE])
    yield worker
    worker.close()


@pytest.fixture(params=["local", "piped"])
def sub(request):
    """A submission of CODE; `Local` has it compiled as a cell of its own."""
    if request.param == "piped":
        found = Submission(request.getfixturevalue("pipe"))
    else:
        found = Submission(Local({}))
        assert found.load(["QUIET = False", CODE]) == [None, None]
    found.renew()
    return found


def test_values_are_copied_on_their_way_and_refs_name_what_stays(sub):
    x = torch.zeros(2)
    assert sub.call("add", x) is None and x.sum() == 0
    ref = sub.fixture("tensor", x)
    sub.call("add", ref)
    sub.call("add", ref)
    assert ref == Ref(-1) and sub.value(ref).tolist() == [2, 2] and x.sum() == 0
    came = sub.call("echo", (x, [None, ref, {"a": np.float32(3)}]))
    assert type(came) is tuple and came[1][1].tolist() == [2, 2] and type(came[1][2]["a"]) is np.ndarray
    assert sub.value("number") == 7 and sub.call("keywords", 1, op=2, name=3, kind=4, self=5) == [1, 2, 3, 4, 5]


def test_objects_modules_and_callables_stay_behind_a_ref(sub):
    counters = [sub.make("Counter"), sub.make("Counter", start=5)]
    assert [sub.invoke(counter, 2, method="add") for counter in counters * 2] == [2, 7, 4, 9]
    net = sub.fixture("model", "tiny", shape=(1, 3, 3), seed=4)
    assert net.kind == "module" and sub.call("echo", net).kind == "module" and sub.value("echo").kind == "callable"
    assert sub.value(counters[0]).kind == "other"
    x = torch.rand(2, 1, 3, 3)
    assert sub.invoke(net, x).shape == (2, 4) and not sub.invoke(net, x).requires_grad
    state = sub.state(net)
    again = sub.fixture("model", "tiny", state, shape=[1, 3, 3], seed=5)
    assert torch.equal(sub.invoke(net, x), sub.invoke(again, x))
    sub.renew()
    assert sub.make("Counter").number == 0


def test_batch_norm_shows_the_mode_and_chance_has_no_part_in_it(sub):
    x, training, resting = (
        torch.rand(4, 1, 8, 8),
        *(sub.fixture("model", "tiny_bn", train=mode) for mode in (True, False)),
    )
    first, before = sub.invoke(training, x), sub.state(training)
    assert torch.equal(sub.invoke(training, x), first) and not torch.allclose(sub.invoke(resting, x), first)
    moved = {name for name, value in sub.state(training).items() if not torch.equal(value, before[name])}
    assert moved == {f"conv.1.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")}
    assert sub.state(resting)["conv.1.num_batches_tracked"] == 0


def test_a_network_of_the_zoo_is_a_fixture(sub):
    net, x = zoo.load("signs-badnets"), torch.rand(2, 3, 32, 32)
    ref = sub.fixture("model", "zoo:signs-badnets", stale_grad=True)
    assert ref.kind == "module" and torch.allclose(sub.invoke(ref, x), net(x), atol=1e-5)
    found = sub.state(ref)
    assert all(torch.equal(found[key], tensor) for key, tensor in net.state_dict().items())
    other = {key: torch.zeros_like(tensor) for key, tensor in found.items()}
    assert not sub.invoke(sub.fixture("model", "zoo:signs-badnets", other), x).any()
    with pytest.raises(Raised) as told:
        sub.value(sub.fixture("model", "zoo:signs-nothing"))
    assert told.value.name == "FileNotFoundError"


def test_fixtures_that_are_not_listed_are_refused(sub):
    few = Submission(sub.transport, ("tensor", "patch"))
    assert few.value(few.fixture("tensor", torch.ones(1))).item() == 1
    with pytest.raises(ValueError, match="kind must be one of tensor, patch here, got 'model'"):
        few.fixture("model", "tiny")
    with pytest.raises(ValueError, match="kind must be one of none here, got 'tensor'"):
        Submission(sub.transport, ()).fixture("tensor", torch.ones(1))
    with pytest.raises(ValueError, match=r"fixtures must be among model, .*; got optimizer"):
        Submission(sub.transport, ("tensor", "optimizer"))


def test_an_exception_is_told_by_its_class_and_in_the_notebook_by_its_line(sub):
    with pytest.raises(Raised) as caught:
        sub.call("fail", 1)
    line = CODE.splitlines().index('    raise KeyError("this must stay here")') + 1
    told = 'raise KeyError("this must stay here")'
    detail = f"KeyError: 'this must stay here' (line {line} of its cell: {told})"
    assert caught.value.name == "KeyError"
    assert caught.value.detail == (detail if isinstance(sub.transport, Local) else "")
    for ask, name in (
        (lambda: sub.call("leave"), "SystemExit"),
        (lambda: sub.call("absent"), "NameError"),
        (lambda: sub.make("Counter", 1, 2), "TypeError"),
        (lambda: sub.invoke(sub.make("Counter"), 1), "AttributeError"),
        (lambda: sub.value(sub.fixture("model", "huge")), "ValueError"),
        (lambda: sub.value("absent"), "NameError"),
        (lambda: sub.value("stub"), "NotImplementedError"),
    ):
        with pytest.raises(Raised) as caught:
            ask()
        assert caught.value.name == name
    assert sub.call("echo", 1) == 1


def test_the_global_generators_differ_from_request_to_request_and_a_given_one_repeats(sub):
    first, second = sub.call("chance"), sub.call("chance")
    assert all(a != b for a, b in zip(first[1:], second[1:], strict=True)) and not torch.equal(first[0], second[0])
    sub.call("spoil")
    assert not torch.equal(sub.call("chance")[0], sub.call("chance")[0])
    rows = [sub.call("drawn", sub.fixture("generator", seed)) for seed in (3, 3, 4)]
    assert torch.equal(rows[0], rows[1]) and not torch.equal(rows[0], rows[2])
    assert torch.equal(rows[0], torch.rand(2, generator=torch.Generator().manual_seed(3)))
    sub.renew()  # a draw has the same chances wherever it stands
    assert torch.equal(sub.call("chance")[0], _after_renewal(sub))


def _after_renewal(sub):
    sub.renew()
    return sub.call("chance")[0]


def test_the_callers_chance_and_streams_are_untouched(sub, capfd, recwarn):
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    filters = list(warnings.filters)
    for name in ("chance", "spoil", "noisy"):
        sub.call(name)
    sub.fixture("model", "tiny_bn", seed=1)
    assert torch.equal(torch.get_rng_state(), states[0]) and random.getstate() == states[2]
    assert np.array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002
    assert tuple(capfd.readouterr()) == ("", "") and not recwarn and warnings.filters == filters
    print("heard")
    assert capfd.readouterr().out == "heard\n"


def test_a_cell_that_fails_is_reported_and_the_others_run():
    """In `Local`, and in a worker below."""
    sub = Submission(Local({"old": 1}))
    assert sub.load(BROKEN) == ["SyntaxError", None, "ZeroDivisionError", "SystemExit", None]
    assert sub.value("y") == 2
    with pytest.raises(Raised, match="NameError: old is not defined"):
        sub.value("old")


BROKEN = ["def f(:", "x = 1", "1 / 0", "exit_code = 3; raise SystemExit", "y = x + 1"]


# --- what hostile code gains ---


def _exercise(expected):
    """A part that compares with `expected`, one that judges it."""
    draws = lambda rng: [{}]  # noqa: E731
    compared = Part("compared", 1.0, draws, "", lambda sub, draw: sub.call("answers", expected))
    judge = lambda draw, got: {"not half": got == 0.5, "no mean": got.mean() == 0.5}  # noqa: E731
    return _of(compared, Part("judged", 1.0, draws, "", compared.run, judge=judge))


def _of(*parts):
    about = {"minutes": 1, "difficulty": 1, "importance": 1, "hints": ("", "", ""), "mistakes": {}, "onward": ""}
    return Exercise("answers(which)", parts=parts, **about).within("t02")


LIES = (
    "liar",
    "double",
    "tensor",
    "anything",
    "class",
    "huge",
    "long",
    "deep",
    "loop",
    "digits",
    "int",
    "bf16",
    "keys",
    "set",
)
MARKS = ("marked", "empty", "raised", "nan", "inf", "none")


@pytest.mark.parametrize("which", LIES + MARKS)
def test_no_lie_gains_a_point(which, sub):
    for right in ({"raised": "ValueError"}, torch.ones(2), 2.0, 3, [1, 2], {"a": 1}, None)[
        : -1 if which == "none" else 7
    ]:
        results = judge(Tries(_exercise(which), sub), {"compared": [right], "judged": []})
        assert [result.points for result in results] == [0, 0]
        assert all(len(result.complaint) < 250 for result in results)
    assert (type(sub.call("answers", which)) is Ref) == (which in LIES and which != "int")


@pytest.mark.parametrize(
    ("got", "expected", "said"),
    [
        (1.0, float("inf"), "the result is 1, expected inf"),
        (-float("inf"), float("inf"), "the result is -inf, expected inf"),
        (float("inf"), float("inf"), None),
        (float("nan"), float("nan"), None),
        (10**400, 1.0, "the result is 10{30,}"),
        (10**400, float("inf"), "the result is 10{30,}"),
        (1, 1.0, None),
        (True, 1.0, "the result is True, expected 1.0"),
        (1.0, 1, "the result is 1.0, expected 1"),
        (np.array(0.1), 0.1, None),
        (torch.tensor(0.1), 0.1, r"is a torch tensor of shape \(\), float32, expected 0.1; .item\(\) gives it"),
        (None, 0.1, r"the result is None \(is a return missing\?\), expected 0.1"),
        (0.1, 9e-6, "the result is 0.1, expected 9e-06"),
        (0.0, 9e-6, "the result is 0, expected 9e-06"),
        ("a" * 10**5, "b", "the result is 'a{59}, expected 'b'"),
        (torch.tensor([10**7]), torch.tensor([10**7 + 1]), r"has at \[0\] 10000000, expected 10000001"),
        (torch.tensor([float("nan")]), torch.tensor([0.5]), r"has at \[0\] nan, expected 0.5"),
        (torch.tensor([1.5]), torch.tensor([0.5]), r"has at \[0\] 1.5, expected 0.5"),
        (torch.tensor([float("inf")]), torch.tensor([float("inf")]), None),
        (torch.zeros(0), torch.zeros(0), None),
        (Ref(1), torch.zeros(0), r"is an object that is no value, expected a torch tensor"),
        (Ref(1, "module"), torch.zeros(0), r"is a network, expected a torch tensor"),
        ({"raised": "ValueError"}, torch.zeros(1), "your code raised ValueError"),
    ],
)
def test_two_outcomes_differ_in_one_sentence(got, expected, said):
    found = difference(got, expected)
    assert found is None if said is None else re.search(said, found)


def test_a_range_is_told_where_the_exercise_has_one():
    said = difference(torch.tensor([1.5, 0.2]), torch.tensor([0.5, 0.2]), bounds=(0, 1))
    assert said == "the result goes from 0.2 to 1.5; right values lie in [0, 1]"


def test_objects_are_no_outcome_and_an_unexpected_value_is_a_complaint():
    sub = Submission(Local({}))
    sub.load(["QUIET = False", CODE])
    with pytest.raises(TypeError, match="t02_answers, compared: run returned a Ref; look at it by invoke, state or value"):
        outcomes(_exercise("anything"), sub)
    mean = Part("mean", 1.0, lambda rng: [{}], "", lambda sub, draw: sub.call("answers", "keys").mean())
    silent = Part("silent", 1.0, lambda rng: [{}], "", lambda sub, draw: _wrong())
    results = judge(Tries(_of(mean, silent), sub), {"mean": [0.5], "silent": [0.5]})
    assert [result.points for result in results] == [0, 0]
    assert results[0].complaint.startswith("the result is not of the kind that was asked for")


def test_a_draw_is_tried_once_and_a_long_answer_is_not_kept():
    sub, seen = Submission(Local({})), []
    sub.load(["import numpy\ndef answers(size):\n    return numpy.zeros(size, 'uint8')"])

    def run(sub, draw):
        seen.append(draw["size"])
        return sub.call("answers", draw["size"])

    part = Part("any", 1.0, lambda rng: [{"size": 3}, {"size": KEPT - 99}, {"size": KEPT}], "", run)
    tries = Tries(_of(part), sub)
    for number, once in ((0, True), (1, True), (2, False)):
        seen.clear()
        assert all(tries.answer(part, number)[0].size for _ in range(2)) and len(seen) == (1 if once else 2)


def test_where_no_process_can_be_had_no_answer_is_wrong():
    def refuse():
        raise RuntimeError("no process")

    sub = Submission(Local({}))
    sub.transport.renew = refuse
    part = Part("any", 1.0, lambda rng: [{}], "", lambda s, d: s.call("answers"))
    tries = Tries(_of(part), sub)
    with pytest.raises(RuntimeError, match="no process"):
        judge(tries, {"any": [1.0]})


def test_what_is_built_for_a_call_travels_with_it():
    local, frames = Local({}), []
    sub = Submission(lambda frame: frames.append(frame) or local(frame))
    sub.transport.renew, sub.transport.detail = lambda: None, ""
    sub.load(["def same(a, b):\n    return [a, b]"])
    sub.renew()
    one, two = sub.fixture("tensor", torch.ones(1)), sub.fixture("tensor", torch.zeros(1))
    assert len(frames) == 1 and [x.item() for x in sub.call("same", two, one)] == [0, 1] and len(frames) == 2
    sub.renew()  # what was built before is forgotten
    with pytest.raises(Raised, match="KeyError"):
        sub.value(one)


def _wrong():
    raise Wrong("")


# --- workers that misbehave; a small stand-in of one, which needs no torch ---

STAND_IN = """
import json, os, struct, sys, time
def take(count):
    data = b""
    while len(data) < count:
        part = os.read(0, count - len(data))
        if not part:
            os._exit(0)
        data += part
    return data
def give(value, **more):
    text = json.dumps({"dict": {"id": asked["id"], "value": value, **more}}).encode()
    return struct.pack("<II", len(text), 0) + text
while True:
    size, rest = struct.unpack("<II", take(8))
    asked = json.loads(take(size))["dict"]
    take(rest)
    op, name = asked["op"], (asked["args"] or [None])[0]
    if op == "more" and name == "die":
        os._exit(1)
    reply = {
        "none": b"", "garbage": b"x" * 99, "short": give(1)[:-1], "twice": give(1) * 2,
        "long": struct.pack("<II", 1, 1 << 31), "deep": struct.pack("<II", 90000, 0) + b"[" * 90000, "other": give(1, id=99),
        "both": give(1, raised="ValueError"), "number": struct.pack("<II", 1, 0) + b"1",
        "name": give("abcd").replace(b'"value": "abcd"', b'"raised": "<b>"'),
    }.get(name if op == "call" else "", give([] if op == "load" else 7 if name == "lie" else None))
    os.write(1, reply)
    if name == "deaf":
        time.sleep(0.1)
        os.read(0, 8192)
        time.sleep(60)
"""


@pytest.fixture
def stand_in(monkeypatch):
    start = subprocess.Popen
    monkeypatch.setattr(piped.subprocess, "Popen", lambda args, **named: start([args[0], "-c", STAND_IN], **named))
    worker = Piped(["x = 1"], seconds=60)  # a busy machine may take its time; who waits on purpose says so
    yield worker
    worker.close()


@pytest.mark.parametrize(
    ("behaviour", "raised", "alive"),
    [
        ("none", "TimeoutError", False),
        ("short", "TimeoutError", False),
        ("garbage", "ProcessDied", False),
        ("long", "ProcessDied", False),
        ("deep", "ProtocolError", True),
        ("other", "ProtocolError", True),
        ("both", "ProtocolError", True),
        ("number", "ProtocolError", True),
        ("name", "Exception", True),
    ],
)
def test_a_reply_against_the_rules_is_an_exception_with_a_name(stand_in, behaviour, raised, alive):
    sub = Submission(stand_in)
    sub.renew()
    stand_in.seconds = 0.5 if raised == "TimeoutError" else 60
    with pytest.raises(Raised) as caught:
        sub.call(behaviour)
    stand_in.seconds = 60
    assert caught.value.name == raised and (stand_in.line is not None) == alive
    if not alive:
        with pytest.raises(Raised, match="ProcessDied"):  # nobody is there until `renew`
            sub.call("echo")
    sub.renew()
    assert sub.call("echo") is None and stand_in.raised == [None]


def test_what_nobody_asked_for_ends_the_worker(stand_in):
    sub = Submission(stand_in)
    assert sub.call("twice") == 1
    with pytest.raises(Raised, match="ProcessDied"):
        sub.call("echo")
    assert stand_in.run(["y = 1", "z = 2"]) == [None, None] and sub.call("echo") is None


def test_a_worker_that_tells_of_other_cells_is_not_believed(stand_in):
    assert stand_in.run(["x = 1", "lie", "x = 1"]) == [None, "ProtocolError", None]


def test_a_worker_that_reads_a_little_and_no_more_cannot_hold_us(stand_in):
    sub = Submission(stand_in)
    assert sub.call("deaf") is None
    stand_in.seconds, start = 0.5, time.monotonic()
    with pytest.raises(Raised, match="TimeoutError"):
        sub.call("echo", torch.zeros(1 << 20))
    assert time.monotonic() - start < 30  # it sleeps for 60


def test_a_cell_that_ends_the_process_gives_no_points_and_no_crash(stand_in):
    assert stand_in.run(["x = 1", "die", "y = 1"]) == [None, "ProcessDied", None]


def test_a_worker_that_hangs_or_dies_is_replaced(pipe):
    """With the real one, and cells that fail."""
    sub = Submission(pipe)
    pipe.seconds, start = 0.5, time.monotonic()
    with pytest.raises(Raised, match="TimeoutError"):
        sub.call("hang")
    assert time.monotonic() - start > 0.4 and pipe.line is None
    pipe.seconds = 60.0
    sub.renew()
    assert sub.call("echo", 5) == 5 and sub.make("Counter").number == 0
    assert pipe.run(BROKEN) == ["SyntaxError", None, "ZeroDivisionError", "SystemExit", None]
    assert sub.value("y") == 2
    with pytest.raises(Raised, match="NameError"):
        sub.call("echo", 5)
    assert pipe.run(["import os\ndef die():\n    os._exit(0)"]) == [None]
    with pytest.raises(Raised, match="ProcessDied"):
        sub.call("die")
    assert pipe.line is None


def test_nothing_of_ours_is_left_running():
    worker = Piped.__new__(Piped)
    worker.line = worker._open()
    target = worker.line.target
    worker.close()
    worker.close()
    assert worker.line is None
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.write(target, b"x")
