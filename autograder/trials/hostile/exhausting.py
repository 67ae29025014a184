"""Cases that use up what there is: processor, time, memory, processes, files, disk, output, the length of replies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat

from autograder.trials.hostile.case import PATIENT, QUICK, Case, Material, notebook, tried

CELL = {
    "processor: an endless loop": "while True: pass",
    "processor: a loop that swallows everything": """
        import signal
        while True:
            try:
                signal.signal(signal.SIGXCPU, signal.SIG_IGN)
                while True: pass
            except BaseException:
                continue
    """,
    "processor: one call into C that never ends": "import re\nre.match('(a*)*b', 'a' * 60)",
    "processor: a number of many digits": "str(7 ** (7 ** 9))",
    "time: sleeps": "import time\ntime.sleep(10_000)",
    "time: waits for input from the line": """
        import os, time
        [os.read(number, 1) for number in range(3, 256) if os.path.exists(f'/proc/self/fd/{number}')]
        time.sleep(100)
    """,
}
WILD = {
    "processes: a fork bomb": "import os\nwhile True: os.fork()",
    "processes: forks that work": "import os\n[os.fork() for _ in range(5)]\nwhile True: pass",
    "processes: threads without end": """
        import threading, time
        while True: threading.Thread(target=time.sleep, args=(1000,)).start()
    """,
    "memory: one large block": "keep = bytearray(1 << 36)\nkeep = torch.ones(1 << 33)",
    "memory: many small ones": "keep = []\nwhile True: keep.append(bytearray(1 << 20))",
    "memory: in several processes": """
        import os, time
        for _ in range(4): os.fork()
        keep = []
        for _ in range(200): keep.append(b'x' * (1 << 20))
        time.sleep(100)
    """,
    "memory: as files of /dev/shm and memfd": """
        import os
        handle = os.memfd_create('x')
        while True:
            os.write(handle, b'x' * (1 << 20))
            open('/dev/shm/x', 'ab').write(b'x' * (1 << 20))
    """,
    "files: descriptors without end": "import os\nkeep = []\nwhile True: keep.append(open('/dev/null'))",
    "disk: one long file": "with open('x', 'wb') as file:\n    while True: file.write(b'x' * (1 << 20))",
    "disk: many files": """
        n = 0
        while True:
            n += 1
            open(f'x{n}', 'wb').write(b'x' * (1 << 20))
    """,
    "disk: empty files without end": "n = 0\nwhile True:\n    n += 1\n    open(f'x{n}', 'wb').close()",
    "disk: folders within folders": "import os\nfor n in range(1800):\n    os.mkdir('d')\n    os.chdir('d')",
    "disk: a file with holes": "import os\nwith open('x', 'wb') as file:\n    os.truncate(file.fileno(), 1 << 40)",
    "output: a gigabyte is printed": "import os\nfor n in range(1024): os.write(1, b'x' * (1 << 20)); print('x' * 1024)",
}
RESULT = {
    "reply: longer than a frame": "torch.zeros(1 << 25)",
    "reply: as long as a frame, every time": "torch.zeros(1 << 21, dtype=torch.int64)",
    "reply: three long tensors": "(torch.zeros(1 << 22), torch.zeros(1 << 20, dtype=torch.int64), torch.zeros(1 << 22))",
    "reply: numbers of rows, as long as a frame": "(args[0], args[0], torch.zeros((1 << 23) - 999, dtype=torch.int64))",
    "reply: deep": "__import__('functools').reduce(lambda inner, _: [inner], range(100_000), 0)",
    "reply: contains itself": "(lambda x: x.append(x) or x)([])",
    "reply: a million numbers": "list(range(1_000_000))",
    "reply: a number of 10,000 digits": "10 ** 10_000",
    "reply: a tensor of a huge shape without memory": "torch.zeros(1).expand(1 << 40)",
    "reply: recursion": "(lambda f: f(f))(lambda f: f(f))",
}
THREADS = """
import threading
def spin():
    while True: pass
for _ in range(8): threading.Thread(target=spin, daemon=True).start()
"""
ENDINGS = {
    "hangs": "while True: pass",
    "ends its process": "__import__('os')._exit(0)",
    "crashes": "__import__('ctypes').string_at(0)",
    "asks the interpreter to exit": "raise SystemExit(0)",
    "needs too much memory": "keep = [bytearray(1 << 20) for _ in range(4000)]",
}


def exhausting(of: Material) -> Iterator[Case]:
    """In an answer cell when it runs, in what an answer returns, and in one of several answers when it is called."""
    kind = "exhaustion"
    for name, code in {**CELL, **WILD}.items():
        book = of.book(of.wrong(), behind=tried(code))
        yield Case(kind, f"{name}", 0.0, notebook(book), limits=QUICK, wild=name in WILD)
    for name, value in RESULT.items():
        yield Case(kind, name, 0.0, notebook(of.book(of.wrong(value))), limits=QUICK)
    for name, code in ENDINGS.items():
        book = of.book({**of.right, of.first.id: of.answering(code)[of.first.id]})
        wild = "memory" in name
        deserved = of.full - of.first.points
        yield Case(
            kind, f"one answer {name} when called, the others are right", deserved, notebook(book), True, PATIENT, wild
        )
        book = of.book({**of.right, of.first.id: f"# [{of.first.id}]\n{code}\n"})
        yield Case(kind, f"one answer cell {name}, the others are right", deserved, notebook(book), True, PATIENT, wild)
    for name, write in hogs(of).items():
        yield Case(kind, f"reading: {name}", of.full, write)
    many = "\n".join(f"def helper{n}(): return {n}" for n in range(200))
    book = of.book(of.wrong("helper199()"), own=[many] * 50)
    yield Case(kind, "time: fifty cells that an answer needs", 0.0, notebook(book))


def hogs(of: Material) -> dict[str, Callable[[Path, str], None]]:
    """Right hand-ins, each with what is dear to read or to run beside its answers: name -> what writes it."""
    half, plain = f"{'y = 1; ' * 28_000}\nx = (", "a=1;" * 49_000
    copies = of.book(of.right)
    mark = {"nbgrader": {"grade_id": f"{of.tasks[1].id}_answer"}}
    copies.cells += [nbformat.v4.new_code_cell(half, metadata=mark) for _ in range(90)]
    return {
        "ninety copies of an answer, each half a statement": notebook(copies),
        "four hundred thousand characters of statements": notebook(of.book(of.right, own=[plain, plain])),
        "a magic among a hundred thousand characters": notebook(of.book(of.right, own=[f"%time {plain}"] * 9)),
        "an own cell that never ends": notebook(of.book(of.right, before="while True: pass")),
        "threads in every answer": notebook(of.book(of.right, before=THREADS)),
    }
