"""Inert stand-ins for packages that draw, log or download: imported like the real ones, they do nothing.

Plotting, logging and progress bars are always replaced (nobody looks while grading); data sets and viewers
only where they are missing. What was replaced is reported. Helpers that training loops really use work as the
real ones do (see ``helpers.py``).
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.worker import helpers
from harness.worker.scan import FRAMEWORKS, is_helper, leads_to_helper

ALWAYS = {
    **dict.fromkeys(
        ["matplotlib", "pylab", "mpl_toolkits", "seaborn", "plotly", "bokeh"], "nothing is drawn"
    ),
    **dict.fromkeys(["IPython", "ipywidgets", "google"], "there is no notebook"),
    **dict.fromkeys(["tqdm", "progressbar", "alive_progress"], "no progress is shown"),
    **dict.fromkeys(["wandb", "tensorboard", "tensorboardX", "comet_ml", "mlflow"], "nothing is logged"),
    **dict.fromkeys(["neptune", "clearml", "visdom"], "nothing is logged"),
}
WHERE_MISSING = {
    **dict.fromkeys(
        ["torchvision", "mnist", "mlxtend", "idx2numpy", "emnist", "datasets"], "no data is loaded"
    ),
    **dict.fromkeys(
        ["requests", "wget", "gdown", "kaggle", "kagglehub", "opendatasets"], "there is no network"
    ),
    **dict.fromkeys(
        ["torchsummary", "torchinfo", "torchviz", "graphviz", "pydot", "prettytable"], "not needed"
    ),
    **dict.fromkeys(["pandas", "PIL", "cv2", "skimage", "imageio", "h5py", "colorama"], "not installed"),
    **dict.fromkeys(["termcolor", "memory_profiler", "line_profiler", "numba"], "not installed"),
}


class Inert:
    """Takes every call, attribute, item and operator, and does nothing."""

    def __init__(self, name: str) -> None:
        object.__setattr__(self, "_name", name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return another inert object; as a decorator, hand the function back."""
        if len(args) == 1 and not kwargs and isinstance(args[0], (types.FunctionType, type)):
            return args[0]
        return Inert(f"{self._name}()")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Inert(f"{self._name}.{name}")

    def __setattr__(self, name: str, value: object) -> None:
        pass

    def __getitem__(self, key: object) -> Any:
        return Inert(f"{self._name}[...]")

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        return False

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        return (object,)

    def __repr__(self) -> str:
        return f"<stand-in for {self._name}>"


class Progress:
    """What ``tqdm(iterable)`` gives: the iterable, and methods that show nothing."""

    def __init__(self, iterable: Iterable[Any] = (), *_: Any, **__: Any) -> None:
        self.iterable = iterable

    def __iter__(self) -> Iterator[Any]:
        return iter(self.iterable)

    def __len__(self) -> int:
        return len(self.iterable) if isinstance(self.iterable, Sequence) else 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return Inert(f"tqdm.{name}")


WORKING: dict[str, Any] = {
    **helpers.WORKING,
    "tqdm": Progress,
    "tqdm_notebook": Progress,
    "trange": lambda *args, **kwargs: Progress(range(*args)),
    "prange": range,
    "subplots": lambda *args, **kwargs: (Inert("figure"), Inert("axes")),
    "hist": lambda *args, **kwargs: (Inert("counts"), Inert("bins"), Inert("patches")),
}


class StandIn(types.ModuleType):
    """A module whose every attribute is inert, except the few that work."""

    __path__: list[str] = []  # noqa: RUF012 - a package, so that its parts can be imported too

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in ("jit", "njit", "vectorize"):
            return Inert(name)
        return WORKING.get(name, Inert(f"{self.__name__}.{name}"))


class Refusing(types.ModuleType):
    """A framework's root in a from-scratch submission that uses its helpers only: the rest is not there."""

    __path__: list[str] = []  # noqa: RUF012 - a package, as above

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        dotted = f"{self.__name__}.{name}"
        if is_helper(dotted) or leads_to_helper(dotted):
            return importlib.import_module(dotted)
        raise ModuleNotFoundError(f"{dotted} is not available to a from-scratch submission", name=dotted)


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Answers imports of the packages that ``kind_of`` knows with stand-ins, and notes each once.

    ``own`` are the beginnings of the submission's file names.
    """

    def __init__(
        self, kind_of: Callable[[str], tuple[type[types.ModuleType], str] | None], own: tuple[str, ...]
    ) -> None:
        self.kind_of = kind_of
        self.own = own
        self.replaced: dict[str, str] = {}

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> Any:
        """Claim a module that is to be stood in for, where the submission itself imports it."""
        # A library that looks for an optional package must go on finding that it is not there.
        if not _importer().startswith(self.own) or self.kind_of(fullname) is None:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        """Make the stand-in."""
        kind = self.kind_of(spec.name)
        assert kind is not None
        module, reason = kind
        self.replaced.setdefault(spec.name.split(".")[0], reason)
        return module(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing to run."""


def _importer() -> str:
    """The file whose import statement is being answered."""
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(("<frozen importlib", __file__)):
        frame = frame.f_back
    # Behind importlib.import_module stands the file that called it.
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] == "importlib":
        frame = frame.f_back
    return frame.f_code.co_filename if frame is not None else ""


class StandIns:
    """The two finders of one load: before the real packages, and after them.

    ``used`` are the frameworks of which the source uses more than helpers.
    """

    def __init__(self, part: str, used: frozenset[str], folder: Path) -> None:
        self.part = part
        self.used = used
        own = (f"{folder}{os.sep}", "<adapter", "<manifest")
        self.first = Finder(lambda name: self._inert(name, ALWAYS), own)
        self.last = Finder(self._missing, own)

    def install(self) -> None:
        """Put the finders around Python's own."""
        sys.meta_path.insert(0, self.first)
        sys.meta_path.append(self.last)

    def remove(self) -> None:
        """Take the finders out again."""
        sys.meta_path[:] = [finder for finder in sys.meta_path if finder not in (self.first, self.last)]

    def notes(self) -> list[str]:
        """One line for each package that was replaced."""
        replaced = {**self.first.replaced, **self.last.replaced}
        return [f"{name} is replaced by an inert stand-in: {why}" for name, why in sorted(replaced.items())]

    def _inert(self, name: str, known: dict[str, str]) -> tuple[type[types.ModuleType], str] | None:
        reason = known.get(name.split(".")[0])
        return None if reason is None else (StandIn, reason)

    def _missing(self, name: str) -> tuple[type[types.ModuleType], str] | None:
        """Called when no real module of this name was found."""
        root = name.split(".")[0]
        if root in FRAMEWORKS:
            helper = is_helper(name)
            if helper or (root not in self.used and leads_to_helper(name)):
                return (StandIn if helper else Refusing), "only its helpers are used"
            if self.part == "scratch":
                message = f"No module named {name!r}: a from-scratch submission has no frameworks"
                raise ModuleNotFoundError(message, name=name)
        return self._inert(name, WHERE_MISSING)
