"""What a hostile answer would try, one act a function; `probes` runs this text in a jail.  It raises where it could not."""

import ctypes
import os
import resource
import signal
import socket
import stat
import time

libc = ctypes.CDLL(None, use_errno=True)


def must(result: int) -> int:
    """Raises `OSError` where a call into the C library has failed."""
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return result


def read(path: str) -> str:
    """The text of a file."""
    with open(path, encoding="utf-8") as file:
        return file.read()


def write(path: str) -> None:
    """Change a file, or make it."""
    with open(path, "w", encoding="utf-8") as file:
        file.write("written")


def listing(path: str) -> list[str]:
    """What a folder holds."""
    return os.listdir(path)


def mode(path: str) -> None:
    """Let everybody read and write a file."""
    os.chmod(path, 0o777)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o777


def connect(port: int) -> None:
    """TCP to a port of loopback."""
    socket.create_connection(("127.0.0.1", port), 5).close()


def abstract(name: str) -> None:
    """A UNIX socket by its abstract name."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(5)
        line.connect("\0" + name)


def trace(pid: int) -> None:
    """PTRACE_SEIZE, and let go."""
    must(libc.ptrace(0x4206, pid, None, None))  # PTRACE_SEIZE
    libc.ptrace(17, pid, None, None)


def memory_of(pid: int) -> int:
    """Sixteen bytes of the memory of a process."""
    with open(f"/proc/{pid}/maps") as maps:
        start = int(next(line for line in maps if " rw" in line).split("-")[0], 16)
    with open(f"/proc/{pid}/mem", "rb") as memory:
        memory.seek(start)
        return len(memory.read(16))


def kill(pid: int) -> None:
    """SIGKILL."""
    os.kill(pid, signal.SIGKILL)


def kill_by_file(pid: int) -> None:
    """SIGKILL by a descriptor whose owner is the other process (F_SETOWN, F_SETSIG)."""
    import fcntl

    ours, theirs = socket.socketpair()
    fcntl.fcntl(ours, fcntl.F_SETOWN, pid)
    fcntl.fcntl(ours, 10, signal.SIGKILL)  # F_SETSIG
    fcntl.fcntl(ours, fcntl.F_SETFL, fcntl.fcntl(ours, fcntl.F_GETFL) | os.O_ASYNC)
    theirs.send(b"x")


def bound(pid: int) -> None:
    """prlimit on a process."""
    resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))


def shared_memory(size: int) -> int:
    """System V memory that outlives its process."""
    return must(libc.shmctl(must(libc.shmget(0, ctypes.c_size_t(size), 0o1600)), 0, None))


def hidden_memory() -> None:
    """A file that is in no file system."""
    os.close(os.memfd_create("hidden"))


def namespace() -> None:
    """unshare(CLONE_NEWUSER)."""
    must(libc.unshare(0x10000000))


def environment() -> list[str]:
    """Names of variables."""
    return list(os.environ)


def descriptors() -> list[str]:
    """What is open besides /dev/null."""
    found = []
    for number in range(1024):
        try:
            found.append(os.fstat(number))
        except OSError:
            continue
    null = os.stat(os.devnull).st_rdev
    return ["socket" if stat.S_ISSOCK(f.st_mode) else "other" for f in found if f.st_rdev != null]


def processes(most: int) -> int:
    """How many of `most` can be started."""
    started = []
    try:
        for _ in range(most):
            started.append(os.posix_spawn("/bin/sleep", ["sleep", "60"], {}))
    except OSError:
        pass
    time.sleep(1)
    for pid in started:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return len(started)


def memory(size: int, seconds: float = 2) -> int:
    """Hold `size` bytes for a while."""
    held = bytearray(size)
    held[::4096] = b"x" * len(held[::4096])
    time.sleep(seconds)
    return len(held)


def disk(count: int, size: int, seconds: float = 2) -> int:
    """Write `count` files of `size` bytes, and keep them for a while."""
    for number in range(count):
        with open(f"{os.environ['TMPDIR']}/{number}", "wb") as file:
            file.write(bytes(size))
            file.flush()
    time.sleep(seconds)
    return count * size


def files(count: int) -> int:
    """How many of `count` can be open."""
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(count)]
    for number in held:
        os.close(number)
    return len(held)


def spin() -> None:
    """Use the processor without an end."""
    while True:
        pass
