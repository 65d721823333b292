"""Stand-ins: inert where nobody looks, working where training loops rely on it, refusing where it matters."""

import sys

import numpy as np
import pytest

BUILD = "\ndef build(a, b, c): return result\n"


@pytest.fixture(autouse=True)
def _nothing_loaded(monkeypatch):
    """As in a worker's process, where none of these has been imported yet."""
    roots = (
        "matplotlib",
        "tqdm",
        "wandb",
        "sklearn",
        "keras",
        "tensorflow",
        "torch",
        "torchvision",
        "IPython",
    )
    for name in list(sys.modules):
        if name.split(".")[0] in roots:
            monkeypatch.delitem(sys.modules, name)


def test_plots_do_nothing_and_are_reported(load):
    loaded = load(
        """
import matplotlib
import matplotlib.pyplot as plt
from matplotlib import cm
from mpl_toolkits.mplot3d import Axes3D
matplotlib.use("Qt5Agg")
plt.rcParams["figure.figsize"] = (10, 5)
fig, ax = plt.subplots(2, 5, figsize=(10, 3))
for a in ax.flatten():
    a.imshow([[1]], cmap=cm.gray)
with plt.style.context("ggplot"):
    plt.plot([1, 2]); plt.show()
n, bins, patches = plt.hist([1, 2, 3])
result = 1
"""
        + BUILD
    )
    assert loaded.build(1, 2, 3) == 1
    assert "matplotlib is replaced by an inert stand-in: nothing is drawn" in loaded.notes


def test_progress_bars_hand_their_items_on(load):
    loaded = load(
        """
from tqdm import tqdm, trange
from tqdm.notebook import tqdm as bar
result = [x for x in tqdm([1, 2], desc="epoch")] + list(trange(2)) + list(bar(range(3)))
with tqdm(total=3) as progress:
    progress.update(1); progress.set_postfix(loss=1)
"""
        + BUILD
    )
    assert loaded.build(1, 2, 3) == [1, 2, 0, 1, 0, 1, 2]


def test_helpers_of_training_loops_work(load):
    loaded = load(
        """
import numpy as np
from tensorflow.keras.utils import to_categorical
labels = to_categorical(np.array([0, 2, 1]), 3)
result = labels
"""
        + BUILD,
        part="scratch",
    )
    assert np.array_equal(loaded.build(1, 2, 3), np.eye(3)[[0, 2, 1]])


def test_data_sets_of_frameworks_are_inert_where_the_framework_is_missing(load):
    loaded = load(
        """
import tensorflow as tf
result = 1
(x_train, y_train), (x_test, y_test) = tf.keras.datasets.mnist.load_data()
"""
        + BUILD,
        part="scratch",
    )
    assert loaded.build(1, 2, 3) == 1
    assert any("load_data" in note for note in loaded.notes)


def test_a_missing_framework_stays_missing_in_the_from_scratch_part(load):
    with pytest.raises(ModuleNotFoundError, match=r"tensorflow.*a from-scratch submission has no frameworks"):
        load("import tensorflow as tf\nx = tf.zeros(3)\n" + BUILD, part="scratch")
    loaded = load(
        "try:\n    import tensorflow as tf\n    tf.zeros(3)\nexcept ImportError:\n    result = 2\n" + BUILD,
        part="scratch",
    )
    assert loaded.build(1, 2, 3) == 2


def test_other_missing_modules_stay_missing(load):
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        load("import no_such_module\n" + BUILD)


def test_loggers_and_viewers_do_nothing(load):
    loaded = load(
        """
import wandb
from IPython.display import clear_output, display
from google.colab import drive
drive.mount("/content/drive")
run = wandb.init(project="mnist", config={"lr": 1})
wandb.log({"loss": 1.0})
result = len(wandb.config)
"""
        + BUILD
    )
    assert loaded.build(1, 2, 3) == 0


def test_decorators_and_base_classes_of_stand_ins_keep_the_code(load):
    loaded = load(
        """
import wandb
from torchvision import transforms
@wandb.watch_called
def double(x):
    return 2 * x
class Flip(transforms.Transform):
    value = 4
result = double(3) + Flip.value
"""
        + BUILD
    )
    assert loaded.build(1, 2, 3) == 10


def test_libraries_still_see_what_is_really_there(load, tmp_path):
    """Only the submission's own imports are answered: a library that looks for tqdm must find the truth."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "library.py").write_text("try:\n    import wandb\nexcept ImportError:\n    wandb = None\n")
    folder = tmp_path / "alice"
    folder.mkdir()
    loaded = load(
        f"import sys\nsys.path.append({str(outside)!r})\nimport library\nresult = library.wandb\n" + BUILD,
        "alice/main.py",
    )
    assert loaded.build(1, 2, 3) is None
