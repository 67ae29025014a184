"""What cases do to the line and to other processes, and what they leave behind.  PARENT: the process that started it."""

LINE = """
import os, socket, stat, json, struct, threading, time
def lines():
    for number in range(256):
        try:
            if stat.S_ISSOCK(os.fstat(number).st_mode) or stat.S_ISFIFO(os.fstat(number).st_mode):
                yield number
        except OSError:
            pass
def frame(value):
    words = json.dumps(value).encode()
    return struct.pack('<II', len(words), 0) + words
def send(*frames):
    for number in lines():
        for data in frames:
            try:
                os.write(number, data)
            except OSError:
                pass
"""
FORGED = {
    "an answer before the question": "send(frame({'id': 1, 'value': LEAST}))",
    "many answers to questions to come": "send(*[frame({'id': n, 'value': None}) for n in range(2000)])",
    "a thread answers first": """
        def early():
            for n in range(3000):
                send(frame({'dict': {'id': n, 'value': LEAST}}))
                time.sleep(0.001)
        threading.Thread(target=early, daemon=True).start()
    """,
    "a frame of 4 GB is announced": "send(struct.pack('<II', 0xFFFFFFFF, 0xFFFFFFFF))",
    "half a frame": "send(struct.pack('<II', 100, 0) + b'[')",
    "noise": "send(os.urandom(4096))",
    "points instead of an answer": """
        send(frame({'dict': {'id': 2, 'points': 99}}), frame({'dict': {'id': 3, 'value': {'float': 'inf'}}}))
    """,
    "the line is closed": "[os.close(number) for number in list(lines())]",
    "the line is given away": """
        here, there = socket.socketpair()
        for number in list(lines()):
            os.dup2(there.fileno(), number)
    """,
    "a fork answers too": """
        if os.fork() == 0:
            send(*[frame({'dict': {'id': n, 'value': None}}) for n in range(500)])
            time.sleep(60)
    """,
}
WHEN_CALLED = {
    "answers twice": "send(frame({'dict': {'id': 4, 'value': None}}))\n    return None",
    "answers and ends": "send(frame({'dict': {'id': 4, 'value': LEAST}}))\n    os._exit(0)",
}
THREADS = {
    "a daemon thread writes outside": """
        import threading, time
        def later():
            while True:
                open('@OUTSIDE@/thread', 'w').write('here')
                time.sleep(0.01)
        threading.Thread(target=later, daemon=True).start()
    """,
    "atexit and __del__ write outside": """
        import atexit, weakref, sys
        atexit.register(lambda: open('@OUTSIDE@/atexit', 'w'))
        class Last:
            def __del__(self): open('@OUTSIDE@/del', 'w')
        last = Last()
        del last
        weakref.finalize(torch, lambda: open('@OUTSIDE@/finalize', 'w'))
    """,
    "a process in a session of its own stays": """
        import os, sys, time
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.execv(sys.executable, [sys.executable, '-c', 'import time; time.sleep(300)', '@MARK@'])
            os._exit(0)
    """,
    "a program of the system stays": """
        import subprocess
        subprocess.Popen(['/bin/sh', '-c', 'trap "" TERM HUP INT; sleep 300; : @MARK@'], start_new_session=True)
    """,
    "a fork under another name stays": """
        import ctypes, os, signal, time
        if os.fork() == 0:
            for number in range(1, 32):
                try:
                    signal.signal(number, signal.SIG_IGN)
                except OSError:
                    pass
            ctypes.CDLL(None).prctl(15, b'@MARK@', 0, 0, 0)
            ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)
            time.sleep(300)
    """,
    "a memory segment of System V stays": """
        import ctypes
        ctypes.CDLL(None).shmget(0x42444C41, 4096, 0o1666)
    """,
    "the fork server is signalled": """
        import ctypes, os, signal
        for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM) if PARENT > 1 else ():
            try:
                os.kill(PARENT, number)
            except OSError:
                pass
            ctypes.CDLL(None).syscall(234, PARENT, PARENT, int(number))
    """,
    "the kernel is asked to signal the fork server": """
        import fcntl, os
        read, write = os.pipe()
        if PARENT > 1:
            fcntl.fcntl(read, fcntl.F_SETOWN, PARENT)
            fcntl.fcntl(read, 10, 9)
            fcntl.fcntl(read, fcntl.F_SETFL, fcntl.fcntl(read, fcntl.F_GETFL) | os.O_ASYNC)
            os.write(write, b'x')
    """,
    "the fork server's limits are lowered": """
        import os, resource
        for kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_CORE, resource.RLIMIT_FSIZE) if PARENT > 1 else ():
            resource.prlimit(PARENT, kind, (0, 0))
    """,
    "the fork server is slowed down": """
        import os
        if PARENT > 1:
            os.setpriority(os.PRIO_PROCESS, PARENT, 19)
            os.sched_setscheduler(PARENT, os.SCHED_IDLE, os.sched_param(0))
    """,
}
SURROUNDINGS = {
    "secrets in the environment": """
        import os
        if [name for name in os.environ if 'SECRET' in name or 'TOKEN' in name or name == 'BDLAB_HOSTILE']:
            open('@OUTSIDE@/environment', 'w').write('found')
            exec(open('@OUTSIDE@/solutions.py').read(), globals())
    """,
    "environment for whoever comes next": """
        import os
        os.environ.update(PYTHONPATH='@OUTSIDE@', LD_PRELOAD='@OUTSIDE@/x.so', PYTHONSTARTUP='@OUTSIDE@/solutions.py')
        os.umask(0)
        os.chdir('/')
    """,
    "every descriptor is closed": "import os\nos.closerange(0, 3)",
    "descriptors are sent to another process": """
        import socket
        out = socket.socket(socket.AF_UNIX)
        out.connect('@OUTSIDE@/agent.sock')
        socket.send_fds(out, [b'x'], [0, 1, 2])
    """,
    "a datagram to a service of this machine": """
        import socket
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        one.sendto(b'x', '@OUTSIDE@/notify.sock')
    """,
    "a connection over TCP": """
        import socket
        socket.create_connection(('127.0.0.1', @PORT@), 2).send(b'x')
    """,
    "keys typed into the terminal": """
        import fcntl
        for letter in b'touch @OUTSIDE@/typed\\n':
            fcntl.ioctl(0, 0x5412, bytes([letter]))
    """,
}
PICKLES = {
    "__reduce__": "def __reduce__(self): return open, ('@OUTSIDE@/reduce', 'w')",
    "__reduce_ex__ and __getstate__": "def __reduce_ex__(self, protocol): return open, ('@OUTSIDE@/reduce_ex', 'w')\n"
    "    def __getstate__(self): open('@OUTSIDE@/state', 'w')",
    "__torch_function__ that opens files": "def __torch_function__(self, *_, **named): open('@OUTSIDE@/torch', 'w')",
}
WRAPPED = {
    "": "Loaded()",
    " in an array of objects": "__import__('numpy').array([Loaded()], dtype=object)",
    " in a list": "[Loaded(), (Loaded(), {'x': Loaded()})]",
}
CLOCKS = {
    "the clock stands still": """
        import time, datetime
        time.time = time.monotonic = time.perf_counter = time.process_time = lambda: 0.0
        time.sleep = lambda seconds: None
    """,
    "deadlines are infinite": """
        import select, signal, socket
        select.select = lambda reading, *_: (reading, [], [])
        signal.alarm = signal.setitimer = lambda *_: 0
        socket.setdefaulttimeout(None)
    """,
    "seeds of everything are fixed": """
        import random, numpy
        torch.manual_seed(0), random.seed(0), numpy.random.seed(0)
        torch.manual_seed = torch.Generator.manual_seed = random.seed = numpy.random.seed = lambda *_: None
    """,
}
