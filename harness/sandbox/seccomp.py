"""A seccomp filter, assembled by hand: system calls that no submission needs fail with EPERM.

Sources: the kernel's seccomp filter documentation and its tables of system call numbers.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
import sys
from collections.abc import Iterator

from harness.sandbox import linux

MODE_FILTER = 2
ALLOW, ERRNO, KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
LOAD, JUMP_EQUAL, JUMP_ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06  # BPF_LD|W|ABS, JMP|JEQ|K, JMP|JSET|K, RET|K
OFFSET_NUMBER, OFFSET_ARCHITECTURE, OFFSET_ARGUMENTS = 0, 4, 16
X32_BIT = 0x40000000

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
COLUMN = {"x86_64": 0, "aarch64": 1}
# Namespaces, in the flags of clone: NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
NAMESPACE_FLAGS = (
    0x00000080 | 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
)
AF_UNIX, SOCK_STREAM = 1, 1
TERMINAL_INPUT, CONSOLE_INPUT = 0x5412, 0x541C  # TIOCSTI and TIOCLINUX type into a terminal

# name: (x86_64, aarch64); None where the architecture has no such call.
REFUSED: dict[str, tuple[int | None, int | None]] = {
    # The network and other processes' sockets. Only socketpair stays, for multiprocessing: see _special.
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201),
    "accept": (43, 202), "accept4": (288, 242),
    # Other processes: their memory, descriptors, priorities and limits.
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "process_madvise": (440, 440), "process_mrelease": (448, 448), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "migrate_pages": (256, 238), "move_pages": (279, 239), "ioprio_set": (251, 30),
    # Leaving the process group, which is what the grader ends.
    "setsid": (112, 157), "setpgid": (109, 154),
    # Memory that belongs to no process and survives it, or that no limit counts.
    "memfd_create": (319, 279), "memfd_secret": (447, 447),
    "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195),
    "semget": (64, 190), "semctl": (66, 191), "semop": (65, 193), "semtimedop": (220, 192),
    "msgget": (68, 186), "msgctl": (71, 187), "msgsnd": (69, 189), "msgrcv": (70, 188),
    "mq_open": (240, 180), "mq_unlink": (241, 181), "io_setup": (206, 0),
    # Namespaces, mounts and file handles, which walk around paths.
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39),
    "mount_setattr": (442, 442), "move_mount": (429, 429), "open_tree": (428, 428), "fsopen": (430, 430),
    "fspick": (433, 433), "fsconfig": (431, 431), "fsmount": (432, 432), "pivot_root": (155, 41),
    "chroot": (161, 51), "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264),
    # Parts of the kernel with much surface and no use here.
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219), "fanotify_init": (300, 262),
    "iopl": (172, None), "ioperm": (173, None), "modify_ldt": (154, None), "lookup_dcookie": (212, 18),
    # The machine itself.
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105),
    "finit_module": (313, 273), "delete_module": (176, 106), "reboot": (169, 142), "swapon": (167, 224),
    "swapoff": (168, 225), "acct": (163, 89), "quotactl": (179, 60), "quotactl_fd": (443, 443),
    "syslog": (103, 116), "sethostname": (170, 161), "setdomainname": (171, 162), "settimeofday": (164, 170),
    "clock_settime": (227, 112), "clock_adjtime": (305, 266), "adjtimex": (159, 171), "vhangup": (153, 58),
}  # fmt: skip
SPECIAL = {
    "clone": (56, 220), "clone3": (435, 435), "socketpair": (53, 199), "prctl": (157, 167),
    "prlimit64": (302, 261),
    "setpriority": (141, 140), "sched_setaffinity": (203, 122), "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118), "sched_setattr": (314, 274), "ioctl": (16, 29), "kill": (62, 129),
    "tkill": (200, 130), "tgkill": (234, 131), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424),
}  # fmt: skip

Instruction = tuple[int, int, int, int]
REFUSE: Instruction = (RETURN, 0, 0, ERRNO | errno.EPERM)
PASS: Instruction = (RETURN, 0, 0, ALLOW)


def supported() -> bool:
    """Whether a filter can be built for this machine."""
    return sys.platform == "linux" and platform.machine() in ARCHITECTURES and sys.maxsize > 1 << 32


def program(machine: str, *, signals_to: int | None = None) -> list[Instruction]:
    """The filter for an architecture, as (code, jump if true, jump if false, operand).

    With ``signals_to`` signals are refused unless they go to that process or its group: for kernels
    whose Landlock cannot confine signals.
    """
    column = COLUMN[machine]
    lines: list[Instruction] = [
        (LOAD, 0, 0, OFFSET_ARCHITECTURE),
        (JUMP_EQUAL, 1, 0, ARCHITECTURES[machine]),
        (RETURN, 0, 0, KILL_PROCESS),  # a call in another architecture's numbers would walk around the table
        (LOAD, 0, 0, OFFSET_NUMBER),
    ]
    if machine == "x86_64":
        lines += [(JUMP_ANY_BIT, 0, 1, X32_BIT), REFUSE]
    for numbers in REFUSED.values():
        if numbers[column] is not None:
            lines += [(JUMP_EQUAL, 0, 1, int(numbers[column] or 0)), REFUSE]
    for name, body in _special(signals_to):
        lines += [(JUMP_EQUAL, 0, len(body), SPECIAL[name][column]), *body]
    return [*lines, PASS]


def install(*, signals_to: int | None = None) -> None:
    """Put this thread and its future children under the filter, for good."""
    lines = program(platform.machine(), signals_to=signals_to)
    packed = b"".join(struct.pack("=HBBI", *line) for line in lines)
    buffer = ctypes.create_string_buffer(packed)

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    header = Program(len(lines), ctypes.addressof(buffer))
    linux.prctl(linux.PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(header))


def _argument(index: int) -> Instruction:
    # The low half: every argument looked at is an int for the kernel. Both architectures are little-endian.
    return (LOAD, 0, 0, OFFSET_ARGUMENTS + 8 * index)


def _only(index: int, *values: int) -> list[Instruction]:
    """Refuse unless an argument has one of the values."""
    tests = [(JUMP_EQUAL, len(values) - i, 0, value & 0xFFFFFFFF) for i, value in enumerate(values)]
    return [_argument(index), *tests, REFUSE]


def _never(index: int, *values: int) -> list[Instruction]:
    """Refuse if an argument has one of the values."""
    tests = [(JUMP_EQUAL, len(values) - 1 - i, int(i == len(values) - 1), v) for i, v in enumerate(values)]
    return [_argument(index), *tests, REFUSE]


def _special(signals_to: int | None) -> Iterator[tuple[str, list[Instruction]]]:
    """Calls that depend on their arguments; each body ends with PASS."""
    yield "clone", [_argument(0), (JUMP_ANY_BIT, 0, 1, NAMESPACE_FLAGS), REFUSE, PASS]
    # Its flags lie behind a pointer, out of a filter's sight; the C library falls back to clone.
    yield "clone3", [(RETURN, 0, 0, ERRNO | errno.ENOSYS)]
    # A connected datagram socket could still send to a named one, a stream cannot.
    yield (
        "socketpair",
        [*_only(0, AF_UNIX), _argument(1), (0x54, 0, 0, 0xF), (JUMP_EQUAL, 1, 0, SOCK_STREAM), REFUSE, PASS],
    )
    options = (linux.PR_SET_PDEATHSIG, linux.PR_SET_CHILD_SUBREAPER, linux.PR_SET_MM)
    yield "prctl", [*_never(0, *options), PASS]
    for name in ("prlimit64", "sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr"):
        yield name, [*_only(0, 0), PASS]
    yield "setpriority", [*_only(0, 0), *_only(1, 0), PASS]
    yield "ioctl", [*_never(1, TERMINAL_INPUT, CONSOLE_INPUT), PASS]
    if signals_to is not None:
        yield "kill", [*_only(0, 0, signals_to, -signals_to), PASS]
        yield "tgkill", [*_only(0, signals_to), PASS]
        for name in ("tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal"):
            yield name, [REFUSE]
