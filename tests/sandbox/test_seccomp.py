from __future__ import annotations

import errno
import re
from pathlib import Path

import pytest

from harness.sandbox import landlock, seccomp
from tests.sandbox.conftest import Run

ALLOW, EPERM, ENOSYS, KILL = "allow", errno.EPERM, errno.ENOSYS, "kill"
MACHINES = ("x86_64", "aarch64")
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}


def evaluate(lines: list[seccomp.Instruction], machine: str, number: int, *arguments: int) -> object:
    """Run a filter as the kernel would, on a call."""
    values = [*arguments, *[0] * (6 - len(arguments))]
    data = {0: number & 0xFFFFFFFF, 4: seccomp.ARCHITECTURES[machine]}
    data |= {16 + 8 * i: value & 0xFFFFFFFF for i, value in enumerate(values)}
    counter, register = 0, 0
    while True:
        code, if_true, if_false, operand = lines[counter]
        assert 0 <= if_true < 256
        assert 0 <= if_false < 256
        counter += 1
        if code == 0x20:
            register = data[operand]
        elif code == 0x15:
            counter += if_true if register == operand else if_false
        elif code == 0x45:
            counter += if_true if register & operand else if_false
        elif code == 0x54:
            register &= operand
        elif code == 0x06:
            if operand == 0x7FFF0000:
                return ALLOW
            return KILL if operand == 0x80000000 else operand & 0xFFFF
        else:
            raise AssertionError(f"unknown instruction {code:#x}")


def call(machine: str, name: str, *arguments: int, signals_to: int | None = None) -> object:
    number = {**seccomp.REFUSED, **seccomp.SPECIAL}[name][seccomp.COLUMN[machine]]
    assert number is not None
    return evaluate(seccomp.program(machine, signals_to=signals_to), machine, number, *arguments)


@pytest.mark.parametrize("machine", MACHINES)
def test_every_listed_call_is_refused(machine: str) -> None:
    column = seccomp.COLUMN[machine]
    names = [name for name, numbers in seccomp.REFUSED.items() if numbers[column] is not None]
    assert len(names) > 70
    assert {name: call(machine, name) for name in names} == dict.fromkeys(names, EPERM)


@pytest.mark.parametrize("machine", MACHINES)
def test_what_programs_need_is_allowed(machine: str) -> None:
    # read, write, openat, mmap, munmap, futex, execve, exit_group, getrandom, sendto, recvfrom
    numbers = {
        "x86_64": (0, 1, 257, 9, 11, 202, 59, 231, 318, 44, 45),
        "aarch64": (63, 64, 56, 222, 215, 98, 221, 94, 278, 206, 207),
    }[machine]
    lines = seccomp.program(machine)
    assert [evaluate(lines, machine, number) for number in numbers] == [ALLOW] * len(numbers)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("clone", (0x11,), ALLOW),  # fork
        ("clone", (0x3D0F00,), ALLOW),  # a thread
        ("clone", (0x10000011,), EPERM),  # a user namespace
        ("clone", (0x40000000,), EPERM),  # a network namespace
        ("clone3", (), ENOSYS),
        ("socketpair", (1, 1), ALLOW),
        ("socketpair", (1, 1 | 0o2000000), ALLOW),  # close-on-exec
        ("socketpair", (1, 2), EPERM),  # datagrams can be sent anywhere
        ("socketpair", (1, 5), EPERM),
        ("socketpair", (2, 1), EPERM),
        ("prctl", (1, 0), EPERM),  # the signal at the grader's death
        ("prctl", (36, 0), EPERM),
        ("prctl", (15, 0), ALLOW),  # a thread's name
        ("prlimit64", (0, 7), ALLOW),
        ("prlimit64", (4242, 7), EPERM),
        ("sched_setaffinity", (0,), ALLOW),
        ("sched_setaffinity", (4242,), EPERM),
        ("setpriority", (0, 0), ALLOW),
        ("setpriority", (2, 0), EPERM),
        ("setpriority", (0, 4242), EPERM),
        ("ioctl", (0, 0x5401), ALLOW),
        ("ioctl", (0, 0x5412), EPERM),
        ("ioctl", (0, 0x541C), EPERM),
        ("kill", (4242, 9), ALLOW),  # Landlock or the process namespace decide
    ],
)
def test_calls_that_depend_on_their_arguments(
    machine: str, name: str, arguments: tuple[int, ...], expected: object
) -> None:
    assert call(machine, name, *arguments) == expected


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("kill", (100, 9), ALLOW),
        ("kill", (0, 9), ALLOW),
        ("kill", (-100, 9), ALLOW),
        ("kill", (-1, 9), EPERM),
        ("kill", (1, 9), EPERM),
        ("tgkill", (100, 100, 6), ALLOW),  # abort()
        ("tgkill", (1, 1, 6), EPERM),
        ("tkill", (100, 6), EPERM),
        ("pidfd_send_signal", (3, 9), EPERM),
        ("rt_sigqueueinfo", (100, 9), EPERM),
    ],
)
def test_signals_stay_inside_where_nothing_else_keeps_them(
    machine: str, name: str, arguments: tuple[int, ...], expected: object
) -> None:
    assert call(machine, name, *arguments, signals_to=100) == expected


def test_another_architecture_or_its_numbers_are_no_way_around() -> None:
    lines = seccomp.program("x86_64")
    wrong = {"x86_64": 0x40000003}  # i386
    lines_data = dict(seccomp.ARCHITECTURES)
    try:
        seccomp.ARCHITECTURES.update(wrong)
        assert evaluate(lines, "x86_64", 41) == KILL
    finally:
        seccomp.ARCHITECTURES.update(lines_data)
    assert evaluate(lines, "x86_64", 41 | 0x40000000) == EPERM
    assert evaluate(lines, "x86_64", 0 | 0x40000000) == EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_numbers_are_those_of_the_systems_headers(machine: str) -> None:
    header = HEADERS[machine]
    if not header.exists():
        pytest.skip(f"{header} is not here")
    text = header.read_text()
    known = {name: int(number) for name, number in re.findall(r"define __NR(?:3264)?_(\w+)\s+(\d+)", text)}
    column = seccomp.COLUMN[machine]
    table = {name: numbers[column] for name, numbers in {**seccomp.REFUSED, **seccomp.SPECIAL}.items()}
    wrong = {name: (number, known.get(name)) for name, number in table.items() if number != known.get(name)}
    # Newer calls than the headers are not in them.
    assert {name: pair for name, pair in wrong.items() if pair[1] is not None} == {}


def test_filter_is_short_enough_for_the_kernel() -> None:
    assert len(seccomp.program("x86_64", signals_to=1)) < 4096


def test_what_honest_code_does_still_works(run: Run) -> None:
    answer = run(
        """
import concurrent.futures, os, socket, subprocess, threading
pair = socket.socketpair(); pair[0].send(b"x"); assert pair[1].recv(1) == b"x"
thread = threading.Thread(target=lambda: None); thread.start(); thread.join()
two = subprocess.run([sys.executable, "-I", "-S", "-c", "print(1 + 1)"], capture_output=True, text=True)
print(two.stdout)
child = os.fork()
if child == 0: os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
sleeper = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)"])
try:
    sleeper.terminate(); print(sleeper.wait())
except PermissionError:
    print("refused")
print(*walls)
"""
    )
    two, ended, *walls = answer.stdout.split()
    # A filter cannot tell a process's own children from others: without any other wall it refuses both.
    other = landlock.interface_version() >= landlock.SCOPE_SINCE or {"user", "process_namespace"} & set(walls)
    assert (two, ended) == ("2", "-15" if other else "refused"), answer.stderr
    assert "seccomp" in walls
