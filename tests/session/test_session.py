"""What submissions do wrong becomes the right status, with a message that its author understands."""

import importlib.util
import os
import re
import textwrap
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest

from harness.errors import SubmissionChangedError
from harness.records import Status
from harness.sandbox.backend import available, choose
from harness.sandbox.usage import Usage
from harness.session import Limits, Session, SubmissionFault, process
from harness.submission import discover

HEAD = """
import os, sys, time, signal, ctypes
import numpy as np

def build(layer_sizes, activation, seed):
    return Net(layer_sizes)

class Net:
    def __init__(self, sizes):
        self.sizes = sizes
        self.w = [np.zeros(s) for i, o in zip(sizes[:-1], sizes[1:]) for s in ((i, o), (o,))]
    def get_weights(self):
        return self.w
    def set_weights(self, w):
        self.w = w
    def fit(self, X, y, **options):
        return {"loss": [1.0, 0.5], "what": ["a"], "accuracy": np.array([0.5, 0.75])}
    def predict_proba(self, X):
"""

BACKENDS = [name for name, text in available().items() if not text.startswith("(")]


@pytest.fixture
def opened(tmp_path):
    """Open a session on a submission's text; sessions are closed at the end."""
    sessions = []

    def open_session(text, *, backend=None, limits=None, budget=float("inf")):
        path = tmp_path / f"student{len(sessions)}.py"
        path.write_text(textwrap.dedent(text))
        submission = discover([path])[0]
        session = Session(
            submission, backend=choose(prefer=backend), limits=limits or Limits(), budget_seconds=budget
        )
        sessions.append(session)
        return session

    yield open_session
    for session in sessions:
        session.close()


def net(body):
    return HEAD + textwrap.indent(textwrap.dedent(body), " " * 8)


def fault_of(session, X=None):
    with pytest.raises(SubmissionFault) as caught:
        session.build([3, 2], "tanh", 0).predict_proba(np.zeros((4, 3)) if X is None else X)
    return caught.value


def test_the_same_rows_asked_about_again_are_the_same_array(opened):
    body = """
        seen = self.__dict__.setdefault("seen", [])
        seen.append(X)
        return np.full((len(X), 2), float(len({id(x) for x in seen})))
    """
    model = opened(net(body)).build([3, 2], "tanh", 0)
    rows = np.arange(6.0).reshape(2, 3)
    other = rows.copy()
    other[1, 2] = 7.0
    asked = (rows, rows.copy(), other, other, rows.astype(np.float32))
    assert [model.predict_proba(X)[0, 0] for X in asked] == [1, 1, 2, 2, 3]
    large = np.zeros((50_000, 3))  # more than a megabyte: neither kept nor compared
    assert [model.predict_proba(large)[0, 0] for _ in range(2)] == [4, 5]


@pytest.mark.parametrize("backend", BACKENDS)
def test_arrays_go_in_and_come_out(opened, backend):
    session = opened(net("return np.repeat(X.sum(axis=1)[:, None], 2, axis=1)"), backend=backend)
    model = session.build([3, 2], "tanh", 0)
    X = np.arange(12.0).reshape(4, 3)
    assert model.predict_proba(X).tolist() == [[3.0, 3.0], [12.0, 12.0], [21.0, 21.0], [30.0, 30.0]]
    given = [np.ones((3, 2)), np.array([1.0, 2.0])]
    model.set_weights(given)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), given))
    changed = [given[0], np.array([5.0, 6.0])]
    model.set_weights(changed)  # only the second tensor travels
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), changed))
    history = model.fit(X, np.zeros(4, dtype=np.int64), epochs=2, batch_size=2, learning_rate=0.1)
    assert history.series["accuracy"].tolist() == [0.5, 0.75]
    assert "what" not in history.series


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ("return [1, 2][X.shape[0]]", Status.ERROR, "IndexError: list index out of range"),
        ("raise NotImplementedError('later')", Status.NOT_PROVIDED, "later"),
        ("sys.exit(0)", Status.ERROR, r"called sys.exit\(0\)"),
        ("raise KeyboardInterrupt", Status.ERROR, "KeyboardInterrupt"),
        ("os._exit(0)", Status.CRASHED, "ended itself with exit status 0 during predict_proba"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", Status.CRASHED, "SIGSEGV"),
        ("os.abort()", Status.CRASHED, "SIGABRT"),
        ("return X.astype(complex)", Status.ERROR, "real numbers.*complex128"),
        ("return np.array([object()])", Status.ERROR, "real numbers"),
        ("return 'probabilities'", Status.ERROR, "real numbers"),
        ("return None", Status.ERROR, "NoneType|None"),
        ("return np.zeros((5000, 5000))", Status.ERROR, "bytes of arrays"),
        ("return np.ones(1 << 40)", Status.OUT_OF_MEMORY, "ran out of memory"),
        ("return input()", Status.ERROR, "EOF"),
        ("f = lambda: f()\nreturn f()", Status.ERROR, "RecursionError"),
    ],
)
def test_a_fault_becomes_its_status(opened, body, status, words):
    fault = fault_of(opened(net(body)))
    assert fault.status is status
    assert re.search(words, fault.message), fault.message


def test_the_traceback_shows_the_authors_frames_and_no_others(opened):
    fault = fault_of(opened(HEAD + "        return helper(X)\n\ndef helper(X):\n    return X.shapes\n"))
    assert "student0.py:" in fault.detail
    assert "in helper" in fault.detail
    assert "harness" not in fault.detail
    assert str(os.getcwd()) not in fault.detail


def test_an_endless_loop_is_stopped_and_the_next_call_starts_anew(opened):
    session = opened(net("while X[0, 0]: pass\nreturn X[:, :2]"), limits=Limits(call_seconds=0.5))
    fault = fault_of(session, np.ones((4, 3)))
    assert fault.status is Status.TIMEOUT
    assert "did not finish within" in fault.message
    assert session.build([3, 2], "tanh", 0).predict_proba(np.zeros((4, 3))).shape == (4, 2)
    assert session.starts == 2


def test_a_model_of_a_process_that_has_ended_is_not_asked_of_the_next(opened):
    session = opened(net("os._exit(3)"))
    model = session.build([3, 2], "tanh", 0)
    with pytest.raises(SubmissionFault, match="ended itself with exit status 3"):
        model.predict_proba(np.zeros((4, 3)))
    for ask in (model.get_weights, lambda: model.set_weights([np.zeros((3, 2)), np.zeros(2)])):
        with pytest.raises(SubmissionFault, match="the process that held this model has ended"):
            ask()
    assert session.build([3, 2], "tanh", 0).get_weights()[0].shape == (3, 2)


def test_sleeping_is_stopped_too(opened):
    session = opened(net("time.sleep(60)"), limits=Limits(call_seconds=0.3))
    assert fault_of(session).status is Status.TIMEOUT


@pytest.mark.parametrize(("runnable", "stopped_after"), [(False, 20), (True, 80)])
def test_who_sleeps_has_its_seconds_and_who_waits_for_a_processor_more(
    opened, monkeypatch, runnable, stopped_after
):
    session = opened(net("return X[:, :2]"))
    session.build([3, 2], "tanh", 0)
    usage = Usage(processes=1, cpu_seconds=1.0, runnable=runnable)
    monkeypatch.setattr(process, "group_usage", lambda pid: usage)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    watch = process._Watch(session._process, 20.0, "fit")
    for second in range(stopped_after):
        now = watch.start + second
        watch._check()
    now = watch.start + stopped_after + 0.5
    with pytest.raises(SubmissionFault, match="fit did not finish within 20 s"):
        watch._check()


def test_a_slow_leak_is_out_of_memory(opened):
    body = "kept = []\nwhile True:\n    kept.append(np.ones(1 << 21)); time.sleep(0.01)"
    fault = fault_of(opened(net(body), limits=Limits(memory_bytes=300 << 20)))
    assert fault.status is Status.OUT_OF_MEMORY


def test_output_without_end_is_stopped(opened):
    body = "while True:\n    sys.stdout.write('passed ' * 10000)"
    fault = fault_of(opened(net(body), limits=Limits(output_bytes=1 << 20)))
    assert fault.status is Status.ERROR
    assert "printed more than 1 MiB" in fault.message


def test_output_is_evidence_and_nothing_more(opened):
    session = opened(net("print('ALL CHECKS PASSED', flush=True)\nreturn X[:, :2]"))
    model = session.build([3, 2], "tanh", 0)
    assert model.predict_proba(np.zeros((4, 3))).shape == (4, 2)


@pytest.mark.parametrize(
    "forged",
    [
        b"GARBAGE!" * 10,
        b'BKC1\x00\x00\x00\x0f{"id": 999999 }',
        b"BKC1\xff\xff\xff\xff",
        b"\x80\x04cos\nsystem\n(S'true'\ntR.",
    ],
)
def test_forged_frames_gain_nothing(opened, forged):
    body = f"""
    for fd in range(3, 64):
        try:
            os.write(fd, {forged!r})
        except OSError:
            pass
    return X[:, :2]
    """
    session = opened(net(body))
    fault = fault_of(session)
    assert fault.status is Status.ERROR
    assert fault.fatal


SEND = """
import gc, socket, struct
channel = next(o for o in gc.get_objects() if isinstance(o, socket.socket))
"""


def test_an_answer_that_comes_byte_by_byte_is_stopped(opened):
    body = (
        SEND
        + """
channel.sendall(b"BKC1" + struct.pack(">I", 1 << 20))
while True:
    channel.sendall(b" ")
    time.sleep(0.02)
"""
    )
    fault = fault_of(opened(net(body), limits=Limits(call_seconds=0.3)))
    assert fault.status is Status.TIMEOUT
    assert "did not finish within" in fault.message


def test_an_array_that_cannot_be_made_is_the_submission_s_fault(opened):
    body = (
        SEND
        + """
text = b'{"id": 4, "arrays": [{"dtype": "<f8", "shape": [549755813888, 549755813888, 0]}]}'
for number in range(1, 9):
    frame = text.replace(b"4,", b"%d," % number, 1)
    channel.sendall(b"BKC1" + struct.pack(">I", len(frame)) + frame)
return X
"""
    )
    fault = fault_of(opened(net(body)))
    assert fault.status is Status.ERROR
    assert "an array of an impossible shape" in fault.message


def test_output_without_end_is_stopped_between_short_calls_too(opened):
    session = opened(
        net("print('x' * 300_000, flush=True)\nreturn X[:, :2]"), limits=Limits(output_bytes=1 << 20)
    )
    model = session.build([3, 2], "tanh", 0)

    def ask_often():
        for _ in range(200):
            model.predict_proba(np.zeros((4, 3)))

    with pytest.raises(SubmissionFault, match="printed more than 1 MiB"):
        ask_often()


def test_weights_come_in_the_same_shapes_each_time(opened):
    session = opened(net("self.w = self.w[::-1]\nreturn X[:, :2]"))
    model = session.build([3, 2], "tanh", 0)
    assert [w.shape for w in model.get_weights()] == [(3, 2), (2,)]
    model.predict_proba(np.zeros((4, 3)))
    with pytest.raises(SubmissionFault, match="get_weights answered with the shapes") as caught:
        model.get_weights()
    assert caught.value.status is Status.ERROR


@pytest.mark.parametrize("notes", ["5", "None", "['a'] * 1000", "{'a': 1}"])
def test_what_is_said_of_loading_is_bounded_and_breaks_nothing(opened, notes):
    text = (
        SEND
        + f"""
import json
frame = json.dumps({{"id": 1, "arrays": [], "notes": {notes}}}).encode()
channel.sendall(b"BKC1" + struct.pack(">I", len(frame)) + frame)
"""
    )
    session = opened(text + net("return X[:, :2]"))
    with suppress(SubmissionFault):
        session.build([3, 2], "tanh", 0)
    assert len(session.notes) == (50 if "1000" in notes else 0)


def test_a_fault_in_loading_is_remembered(opened):
    session = opened("import numpy as np\nraise ValueError('at import')\n\ndef build(a, b, c): pass")
    assert "at import" in fault_of(session).message
    assert "at import" in fault_of(session).message
    assert session.starts == 1


@pytest.mark.parametrize("text", ["", "X = 1\n", "def build(:\n"], ids=["empty", "no network", "half saved"])
def test_what_was_saved_meanwhile_is_never_loaded_as_what_was_found(opened, text):
    session, late = opened(net("return X[:, :2]")), opened(net("return X[:, :2]"))
    session.build([3, 2], "tanh", 0)
    for each in (session, late):
        each.submission.path.write_text(text)
    session.restart()
    assert session.build([3, 2], "tanh", 0).predict_proba(np.ones((4, 3))).shape == (4, 2)
    assert session.starts == 2
    for _ in range(2):
        with pytest.raises(SubmissionChangedError, match=r"student1.py was changed while it was graded"):
            late.build([3, 2], "tanh", 0)
    assert late.starts == 1


def test_what_the_digest_does_not_name_is_not_there(opened, tmp_path):
    folder = tmp_path / "eve"
    (folder / "env").mkdir(parents=True)
    (folder / "env" / "pyvenv.cfg").touch()
    (folder / "env" / "net.py").write_text(net("return X[:, :2]"))
    (folder / "helper.py").write_text("right = False\n")
    (folder / "submission.py").write_text("import helper, os\n" + net("return X[:, :2] + helper.right"))
    # Bytecode that says to be of this source, and not to look whether it is.
    code = importlib._bootstrap_external._code_to_hash_pyc(
        compile("right = True", "helper.py", "exec"), b"0" * 8, False
    )
    cache = Path(importlib.util.cache_from_source(str(folder / "helper.py")))
    cache.parent.mkdir()
    cache.write_bytes(code)
    session = opened((folder / "submission.py").read_text())
    session.submission = discover([folder])[0]
    model = session.build([3, 2], "tanh", 0)
    assert model.predict_proba(np.zeros((4, 3))).tolist() == [[0.0, 0.0]] * 4
    (copy,) = {path.parent for path in Path(session._folder).rglob("submission.py")}
    assert sorted(path.name for path in copy.iterdir()) == ["helper.py", "submission.py"]


@pytest.mark.parametrize("text", ["x = input()\n\ndef build(a, b, c): pass", net("input('go on? ')")])
def test_who_waits_for_somebody_to_type_is_told_what_to_do(opened, text):
    fault = fault_of(opened(text))
    assert fault.status is Status.ERROR
    assert fault.message.endswith(
        "raised EOFError: EOF when reading a line "
        "(there is nobody to type while it is graded: take input() out)"
    )


def test_a_syntax_error_names_the_line(opened):
    fault = fault_of(opened("import numpy as np\n\ndef build(:\n    pass\n"))
    assert fault.status is Status.ERROR
    assert "SyntaxError" in fault.message
    assert "line 3" in fault.message + fault.detail


def test_a_missing_verb_is_not_provided(opened):
    session = opened(net("return X").replace("def get_weights", "def other"))
    with pytest.raises(SubmissionFault, match="get_weights is not provided") as caught:
        session.build([3, 2], "tanh", 0).get_weights()
    assert caught.value.status is Status.NOT_PROVIDED


def test_no_build_is_not_provided(opened):
    assert fault_of(opened("x = 1\n")).status in (Status.NOT_PROVIDED, Status.ERROR)


def test_the_time_of_a_whole_submission_is_bounded(opened):
    session = opened(net("while True: pass"), budget=1.0)
    fault = fault_of(session)
    assert (fault.status, fault.spent) == (Status.TIMEOUT, False)
    assert fault.message == "the submission used up its 1 s in predict_proba"
    while not fault.spent:
        fault = fault_of(session)
    assert fault.message == "the submission used up its 1 s; this was not tried"


def test_who_waits_for_a_busy_machine_has_its_time_but_not_for_ever(opened, monkeypatch):
    session = opened(net("return X[:, :2]"), budget=300.0)
    model, X = session.build([3, 2], "tanh", 0), np.zeros((4, 3))
    start = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: start + 590.0)
    assert model.predict_proba(X).shape == (4, 2)
    session.restart()  # what the processes before have used counts too
    monkeypatch.setattr(session, "_ended_cpu_seconds", 301.0)
    assert fault_of(session).spent
    monkeypatch.setattr(session, "_ended_cpu_seconds", 0.0)
    monkeypatch.setattr(time, "monotonic", lambda: start + 601.0)
    assert fault_of(session).spent


def test_a_process_is_ended_once_since_its_number_may_be_given_again(opened, monkeypatch):
    session = opened(net("os._exit(3)"))
    fault_of(session)
    ended = []
    monkeypatch.setattr(process, "kill_tree", ended.append)
    session.restart()
    assert ended == []


def test_the_time_of_a_process_is_known_after_it_was_ended(opened):
    session = opened(
        net("t = time.process_time()\nwhile time.process_time() < t + 0.3: pass\nreturn X[:, :2]")
    )
    session.build([3, 2], "tanh", 0).predict_proba(np.zeros((4, 3)))
    session.restart()
    first = session._ended_cpu_seconds
    assert first >= 0.3
    session.build([3, 2], "tanh", 0).predict_proba(np.zeros((4, 3)))
    session.restart()
    assert session._ended_cpu_seconds >= first + 0.3


def test_nothing_is_left_behind(opened, tmp_path):
    body = """
    import subprocess
    subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'])
    return X[:, :2]
    """
    session = opened(net(body))
    model = session.build([3, 2], "tanh", 0)
    model.predict_proba(np.zeros((4, 3)))
    process = session._process
    pid, workdir = process._popen.pid, process._workdir
    session.close()
    assert not workdir.exists()
    assert [p for p in psutil.process_iter() if _lives_in(p, pid)] == []


def _lives_in(process, group):
    try:
        return os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False


def test_a_mutated_input_is_noticed(opened):
    text = net("return X[:, :2]").replace('return {"loss"', 'X *= 0; return {"loss"')
    model = opened(text).build([3, 2], "tanh", 0)
    y = np.zeros(4, dtype=np.int64)
    history = model.fit(np.ones((4, 3)), y, epochs=1, batch_size=2, learning_rate=0.1, watch=True)
    assert history.mutated == (0,)


@pytest.mark.parametrize(
    ("manifest", "claimed", "taken"),
    [
        ("constructor = \"build([3, 2], 'tanh', 0)\"", [784, 30, 10], (784, 30, 10)),
        ("constructor = \"build([3, 2], 'tanh', 0)\"", [4, 3], None),  # too few weights to tell anything
        ("constructor = \"build([3, 2], 'tanh', 0)\"", [20_000, 3], None),
        ("constructor = \"build([3, 2], 'tanh', 0)\"", [784, 30.5], None),
        ("constructor = \"build([3, 2], 'tanh', 0)\"", "784", None),
        ("", [784, 30, 10], None),  # a bare file cannot choose by what it is judged
    ],
)
def test_sizes_of_its_own_are_an_adapters_word_and_within_bounds(
    opened, tmp_path, monkeypatch, manifest, claimed, taken
):
    if manifest:
        (tmp_path / "student0.toml").write_text(f"{manifest}\n")
    session = opened(net("return np.full((len(X), 2), 0.5)"))
    answer = {"verbs": [], "own_sizes": claimed}
    monkeypatch.setattr(session, "call", lambda *arguments, **options: (answer, []))
    assert session.build([3, 2], "tanh", 0).own_sizes == taken


def test_a_fault_in_set_weights_is_raised_by_the_next_question_under_its_own_name(opened):
    text = net("return np.full((len(X), 2), 0.5)").replace("self.w = w", "raise ValueError('no')")
    session = opened(text)
    model = session.build([3, 2], "tanh", 0)
    model.set_weights([np.zeros((3, 2)), np.zeros(2)])
    with pytest.raises(SubmissionFault) as caught:
        model.predict_proba(np.zeros((4, 3)))
    assert caught.value.message == "set_weights raised ValueError: no"
    assert model.predict_proba(np.zeros((4, 3))).shape == (4, 2)  # told once
    model.set_weights([np.zeros((3, 2)), np.zeros(2)])
    with pytest.raises(SubmissionFault, match="set_weights raised"):
        session.settle()
    session.settle()


def test_weights_that_the_worker_has_are_used_whatever_came_between(opened):
    model = opened(net("return np.full((len(X), 2), self.w[0].sum() + 10.0 * self.w[1].sum())")).build(
        [3, 2], "tanh", 0
    )
    kept = [[np.full((3, 2), float(k)), np.full(2, float(k))] for k in range(6)]
    mixed = [kept[0][0], kept[5][1]]
    X = np.zeros((1, 3))
    for weights in (*kept, *reversed(kept), mixed, kept[0], mixed, [kept[2][0]]):
        if len(weights) == 1:
            weights = [weights[0], np.zeros(2)]
        model.set_weights(weights)
        assert model.predict_proba(X)[0, 0] == weights[0].sum() + 10.0 * weights[1].sum()


def test_arrays_come_in_the_memory_order_asked_for(opened):
    session = opened(net("return np.array([[X.flags.f_contiguous, self.w[0].flags.f_contiguous]] * len(X))"))
    model = session.build([3, 2], "tanh", 0)
    X, weights = np.arange(12.0).reshape(4, 3), [np.ones((3, 2)), np.zeros(2)]
    for order, expected in (("F", 1.0), ("C", 0.0), ("F", 1.0)):
        session.memory_order = order
        model.set_weights(weights)
        assert model.predict_proba(X).tolist() == [[expected, expected]] * 4


def test_new_rows_come_in_the_array_of_the_rows_before_where_asked_for(opened):
    body = """
        seen = self.__dict__.setdefault("seen", [])
        seen.append(X)
        return np.array([[len({id(x) for x in seen}), X[0, 0]]] * len(X))
    """
    session = opened(net(body))
    model = session.build([3, 2], "tanh", 0)
    model.predict_proba(np.zeros((4, 3)))
    session.refills = True
    assert model.predict_proba(np.ones((4, 3)))[0].tolist() == [1.0, 1.0]
    assert model.predict_proba(np.full((5, 3), 2.0))[0].tolist() == [2.0, 2.0]  # they do not fit in it
    session.refills = False
    assert model.predict_proba(np.full((5, 3), 3.0))[0].tolist() == [3.0, 3.0]


def test_an_array_that_the_submission_has_locked_is_left_to_it(opened):
    session = opened(net("X.flags.writeable = False\nreturn X[:, :2]"))
    session.refills = True
    model = session.build([3, 2], "tanh", 0)
    for value in (1.0, 2.0, 3.0):
        assert model.predict_proba(np.full((4, 3), value)).tolist() == [[value, value]] * 4


def test_what_a_question_writes_into_its_rows_is_seen_though_they_were_asked_about_before(opened):
    body = """
        self.asked = getattr(self, "asked", 0) + 1
        if self.asked > 1:
            X[0] = 9.0
        return np.zeros((len(X), 2))
    """
    model = opened(net(body)).build([3, 2], "tanh", 0)
    assert model.mutated("predict_proba", np.ones((4, 3))) == ()
    assert model.mutated("predict_proba", np.ones((4, 3))) == (0,)
