"""The bundled report against its printed tables, and the reader against files with one thing wrong."""

from __future__ import annotations

import itertools
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import SpecError, UsageError
from harness.spec import REPORT, Arm, Spec, load_rubric, load_spec
from harness.spec.dataset import check_dataset

# The report's tables as printed: id -> (section, figures, test accuracy in per cent).
PRINTED = {
    "scratch/sigmoid/lr=0.01": ("1.1", {"1", "2", "8b"}, "62"),
    "scratch/tanh/lr=0.01": ("1.1", {"3", "4", "8a"}, "94.3"),
    "scratch/relu/lr=0.01": ("1.1", {"5", "6", "7"}, "95.7"),
    "scratch/relu/lr=0.001": ("1.2.1", {"9a", "9b"}, "90"),
    "scratch/tanh/lr=0.001": ("1.2.1", {"10a", "10b"}, "89"),
    "scratch/sigmoid/lr=0.001": ("1.2.1", {"11a", "11b"}, "11.3"),
    "scratch/relu/lr=0.1": ("1.2.2", {"12a", "12b"}, "97.8"),
    "scratch/tanh/lr=0.1": ("1.2.2", {"13a", "13b"}, "97"),
    "scratch/sigmoid/lr=0.1": ("1.2.2", {"14a", "14b"}, "92"),
    "torch/relu": ("2.1", {"15a"}, "97"),
    "torch/tanh": ("2.1", {"15b"}, "96"),
    "torch/sigmoid": ("2.1", {"16"}, "93"),
    "torch/relu/l2": ("2.2", {"17"}, "96.3"),
    "torch/tanh/l2": ("2.2", {"18"}, "96.3"),
    "torch/sigmoid/l2": ("2.2", {"19"}, "95"),
}

SMALL = """
schema = 1
id = "small"
title = "A small report"
author = "Somebody"
date = "2024"
dataset = "digits"

[protocols.base]
layer_sizes = [64, 32, 10]
activation = "tanh"
optimizer = "sgd"
learning_rate = 0.1
batch_size = 32
epochs = 5
weight_decay = 0.0
train_images = 1000
test_images = 797
shuffle = true
initialisation = "glorot_uniform"
loss_every = 10

[protocols.base.sources]
layer_sizes = "report"
activation = "report"
optimizer = "report"
learning_rate = "report"
batch_size = "report"
epochs = "report"
weight_decay = "report"
train_images = "report"
test_images = "report"
shuffle = "ours"
initialisation = "ours"
loss_every = "ours"

[[experiments]]
id = "slow"
part = "scratch"
section = "1"
reported = "80.0"
protocol = "base"
override = { learning_rate = 0.01 }

[[experiments]]
id = "fast"
part = "scratch"
section = "1"
protocol = "base"

[[candidates]]
id = "ordered"
purpose = "search"
text = "unshuffled"
experiments = ["slow"]
override = { shuffle = false }

[[panels]]
id = "1"
experiment = "slow"
kind = "train_loss"
caption = "Loss"

[[claims]]
id = "1"
section = "1"
kind = "better"
text = "Faster is better."
pairs = [["fast", "slow"]]
"""


@pytest.fixture(scope="module")
def spec() -> Spec:
    return load_spec()


def write(folder: Path, text: str) -> Path:
    path = folder / "small.toml"
    path.write_text(text)
    return path


def edited(old: str, new: str) -> str:
    assert SMALL.count(old) == 1, f"{old!r} must occur once"
    return SMALL.replace(old, new)


# ---- The bundled report


def test_experiments_are_the_printed_rows(spec: Spec) -> None:
    found = {id: (e.section, set(e.figures), e.reported_text) for id, e in spec.experiments.items()}
    assert found == PRINTED


def test_reported_figures_keep_their_last_digit(spec: Spec) -> None:
    for experiment in spec.experiments.values():
        text = PRINTED[experiment.id][2]
        assert experiment.reported == float(text)
        assert experiment.digit_unit == pytest.approx(0.1 if "." in text else 1.0)


def test_every_experiment_has_the_parameters_in_its_name(spec: Spec) -> None:
    for id, experiment in spec.experiments.items():
        part, activation, *rest = id.split("/")
        protocol = experiment.protocol
        assert experiment.part == ("scratch" if part == "scratch" else "package")
        assert protocol.activation == activation
        assert protocol.layer_sizes == (784, 500, 250, 100, 10)
        assert (protocol.batch_size, protocol.epochs, protocol.test_images) == (64, 15, 10_000)
        if part == "scratch":
            assert protocol.learning_rate == float(rest[0].removeprefix("lr="))
            assert protocol.weight_decay == 0
            assert (protocol.optimizer, protocol.shuffle) == ("sgd", True)
            assert (protocol.train_images, protocol.initialisation) == (30_000, "glorot_uniform")
        else:
            assert protocol.learning_rate == 0.01
            assert protocol.weight_decay == (1e-5 if rest == ["l2"] else 0)
            assert (protocol.optimizer, protocol.shuffle) == ("adam", False)
            assert (protocol.train_images, protocol.initialisation) == (60_000, "framework_default")


def test_the_baseline_is_the_three_activations_at_the_given_rate(spec: Spec) -> None:
    baseline = {id for id, experiment in spec.experiments.items() if experiment.baseline}
    assert baseline == {f"scratch/{name}/lr=0.01" for name in ("sigmoid", "tanh", "relu")}


def test_sources_say_what_the_report_says(spec: Spec) -> None:
    part1 = spec.experiments["scratch/relu/lr=0.1"].protocol.sources
    assert part1["batch_size"] == part1["train_images"] == part1["learning_rate"] == ("report",)
    assert part1["initialisation"] == part1["optimizer"] == ("handout",)
    assert part1["shuffle"] == ("notebook",)
    # The report names no optimizer in part 2, and the notebook that shows one is ReLU's.
    assert spec.experiments["torch/relu"].protocol.sources["shuffle"] == ("notebook",)
    assert spec.experiments["torch/tanh"].protocol.sources["shuffle"] == ("ours",)
    for experiment in spec.experiments.values():
        if experiment.part == "package":
            assert "report" not in experiment.protocol.sources["optimizer"]


def test_panels_are_the_figures_1_to_19(spec: Spec) -> None:
    doubled = {8, 9, 10, 11, 12, 13, 14, 15}
    numbers = [f"{n}{half}" for n in range(1, 20) for half in (("a", "b") if n in doubled else ("",))]
    assert list(spec.panels) == numbers
    assert len(numbers) == 27
    kinds = [panel.kind for panel in spec.panels.values()]
    counts = {kind: kinds.count(kind) for kind in kinds}
    assert counts == {"batch_loss": 9, "train_accuracy": 9, "confusion": 3, "train_loss": 6}


def test_claims_about_accuracy_read_the_right_way_round(spec: Spec) -> None:
    """On the report's own figures, each pair must come out as the report says it does."""
    reported = {id: float(text) for id, (_, _, text) in PRINTED.items()}
    claims = {claim.id: claim for claim in spec.claims}
    assert list(claims) == [str(n) for n in range(1, 10)]
    for id in ("1", "2", "3", "4", "6"):
        for pair in claims[id].pairs:
            assert reported[pair.higher.experiment] > reported[pair.lower.experiment], (id, pair)
    # Claim 7 holds on average although ReLU goes the other way: 97 -> 96.3.
    gains = [reported[p.higher.experiment] - reported[p.lower.experiment] for p in claims["7"].pairs]
    assert sorted(round(gain, 1) for gain in gains) == [-0.7, 0.3, 2.0]
    assert [len(claims[id].pairs) for id in "123467"] == [2, 2, 3, 3, 1, 3]
    assert all(claim.margin == 0.2 for claim in spec.claims if claim.metric == "test_accuracy")


def test_other_claims(spec: Spec) -> None:
    claims = {claim.id: claim for claim in spec.claims}
    assert (claims["5"].kind, claims["5"].level, claims["5"].pairs) == ("chance", 11.35, ())
    assert claims["5"].arms == (Arm(experiment="scratch/sigmoid/lr=0.001"),)
    assert (claims["9"].kind, claims["9"].measured_on) == ("measured_on", "train")
    assert claims["8"].metric == "train_loss"
    for pair in claims["8"].pairs:  # more decay, more loss
        decays = [
            spec.protocol(arm.experiment, variant=arm.variant).weight_decay
            for arm in (pair.lower, pair.higher)
        ]
        assert decays in ([1e-5, 1e-4], [1e-4, 1e-3])


def test_the_protocol_search_covers_the_grid_once(spec: Spec) -> None:
    grid = {
        (optimizer, rate, shuffle, initialisation)
        for (optimizer, rate), shuffle, initialisation in itertools.product(
            [("sgd", 0.01), ("sgd", 0.1), ("adam", 0.001), ("adam", 0.01)],
            [False, True],
            ["glorot_uniform", "framework_default"],
        )
    }
    variants = [REPORT, *(c.id for c in spec.candidates.values() if c.purpose == "search")]
    for experiment in spec.select("torch/*"):
        protocols = [spec.protocol(experiment.id, variant=variant) for variant in variants]
        found = [(p.optimizer, p.learning_rate, p.shuffle, p.initialisation) for p in protocols]
        assert len(found) == 16
        assert set(found) == grid
        assert {p.weight_decay for p in protocols} == {experiment.protocol.weight_decay}


def test_budgets(spec: Spec) -> None:
    full = spec.experiments["scratch/sigmoid/lr=0.01"].protocol
    assert spec.protocol("scratch/sigmoid/lr=0.01") == full
    quick = spec.protocol("scratch/sigmoid/lr=0.01", budget="quick")
    assert quick == full.override({"train_images": 6_000, "epochs": 10, "learning_rate": 1.0})
    assert quick.sources["epochs"] == ("ours",)
    assert spec.protocol("scratch/relu/lr=0.01", budget="quick").learning_rate == 0.1
    baseline = {id for id, experiment in spec.experiments.items() if experiment.baseline}
    assert set(spec.budgets["quick"].experiments) == baseline
    with pytest.raises(UsageError, match="no budget 'quick' for torch/relu"):
        spec.protocol("torch/relu", budget="quick")


def test_quirks_point_at_what_shows_them(spec: Spec) -> None:
    quirks = {quirk.kind: quirk for quirk in spec.quirks}
    assert set(quirks) == {"train_or_test", "unreset_accumulator", "unexplained_rows"}
    assert quirks["unreset_accumulator"].panels == ("1", "11b")
    assert len(quirks["unexplained_rows"].experiments) == 6


def test_select(spec: Spec) -> None:
    assert [e.id for e in spec.select("scratch/relu/lr=0.1")] == ["scratch/relu/lr=0.1"]
    assert len(spec.select("*")) == 15
    ids = [e.id for e in spec.select("torch/*/l2, scratch/tanh/*")]
    assert ids == [id for id in PRINTED if id.startswith("scratch/tanh") or id.endswith("/l2")]
    with pytest.raises(UsageError, match=r"'torch/rleu'.*did you mean 'torch/relu'"):
        spec.select("torch/rleu")


def test_protocol_refuses_unknown_names(spec: Spec) -> None:
    with pytest.raises(UsageError, match=r"did you mean 'torch/tanh'"):
        spec.protocol("torch/tahn")
    with pytest.raises(UsageError, match=r"did you mean 'sgd-0.1"):
        spec.protocol("torch/tanh", variant="sgd_0.1")
    with pytest.raises(UsageError, match=r"no candidate protocol 'sgd-0\.1' for scratch"):
        spec.protocol("scratch/tanh/lr=0.1", variant="sgd-0.1")


def test_a_specification_can_be_sent_to_another_process(spec: Spec) -> None:
    assert pickle.loads(pickle.dumps(spec)) == spec  # noqa: S301  our own bytes


def test_reading_a_specification_loads_no_heavy_package() -> None:
    code = "import sys, harness.spec as s; s.load_spec(); print({'torch', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# ---- The reader


def test_a_small_report_reads(tmp_path: Path) -> None:
    small = load_spec(write(tmp_path, SMALL))
    assert small.dataset == "digits"
    assert small.margin == 0.2
    assert small.experiments["slow"].protocol.learning_rate == 0.01
    assert small.experiments["fast"].reported is None
    assert small.experiments["slow"].digit_unit == pytest.approx(0.1)
    assert small.claims[0].pairs[0].higher == Arm(experiment="fast")
    assert small.protocol("slow", variant="ordered").shuffle is False


WRONG = {
    "unknown top key": (
        'date = "2024"',
        'date = "2024"\ndataste = 1',
        "dataste: unknown key; did you mean 'dataset'",
    ),
    "missing key": ('dataset = "digits"', "", "dataset: this key is missing"),
    "misspelt key": ('dataset = "digits"', 'datset = "digits"', "is the unknown key 'datset' meant?"),
    "key twice": (
        'date = "2024"',
        'date = "2024"\ndate = "2025"',
        "'date = \"2025\"' gives a key .* second time",
    ),
    "table twice": ("[[panels]]", "[protocols.base]\n[[panels]]", "second time"),
    "not TOML": ('date = "2024"', "date = 2024 AD", "not valid TOML: .*'date = 2024 AD'"),
    "other schema": ("schema = 1", "schema = 2", "schema: expected 1, found 2"),
    "text for number": (
        "epochs = 5",
        'epochs = "5"',
        r"protocols.base.epochs: expected a whole number, found text",
    ),
    "true for number": (
        "epochs = 5",
        "epochs = true",
        "epochs: expected a whole number, found true or false",
    ),
    "fraction": ("epochs = 5", "epochs = 5.5", "epochs: expected a whole number, found a number"),
    "nan": ("learning_rate = 0.1\n", "learning_rate = nan\n", "learning_rate: expected a finite number"),
    "zero rate": ("learning_rate = 0.1\n", "learning_rate = 0\n", "learning_rate: expected a number above 0"),
    "no epochs": ("epochs = 5", "epochs = 0", "epochs: expected 1 or more"),
    "negative decay": ("weight_decay = 0.0", "weight_decay = -1.0", "weight_decay: expected 0 or more"),
    "one layer": ("[64, 32, 10]", "[64]", "layer_sizes: expected features, hidden units and classes"),
    "number for list": ("[64, 32, 10]", "64", "layer_sizes: expected a list, found a whole number"),
    "text in list": ("[64, 32, 10]", '[64, "32", 10]', r"layer_sizes\[1\]: expected a whole number"),
    "unknown activation": (
        'activation = "tanh"',
        'activation = "tahn"',
        "activation: .* did you mean 'tanh'",
    ),
    "unknown source": (
        'shuffle = "ours"',
        'shuffle = "us"',
        "sources.shuffle: expected one of report, handout",
    ),
    "source of nothing": (
        'shuffle = "ours"',
        'shufle = "ours"',
        "sources.shufle: unknown key; did you mean 'shuffle'",
    ),
    "item unsaid": ("epochs = 5\n", "", r"experiments\[0\] \(slow\).protocol: .* does not say 'epochs'"),
    "source unsaid": ('shuffle = "ours"\n', "", r"\(slow\).sources: .* no source for 'shuffle'"),
    "unknown base": (
        "[protocols.base]",
        '[protocols.base]\nextends = "root"',
        "extends: no protocol 'root' above",
    ),
    "unknown protocol": (
        '"base"\noverride',
        '"bsae"\noverride',
        "protocol: no protocol 'bsae'; did you mean 'base'",
    ),
    "misspelt override": (
        "override = { learning",
        "overide = { learning",
        "overide: unknown key; did you mean 'override'",
    ),
    "unknown override": (
        "{ learning_rate",
        "{ learning_rat",
        "override.learning_rat: unknown key; did you mean",
    ),
    "number reported": ('reported = "80.0"', "reported = 80.0", "reported: expected text, found a number"),
    "words reported": ('reported = "80.0"', 'reported = "80 %"', "reported: expected a percentage as text"),
    "too much reported": ('reported = "80.0"', 'reported = "180"', "reported: expected a percentage between"),
    "same id": ('id = "fast"', 'id = "slow"', r"'slow' was given before, to experiments\[0\]"),
    "at sign in id": ('id = "fast"', 'id = "fa@st"', "expected an id without spaces"),
    "control in id": ('id = "fast"', 'id = "fa\\u001bst"', "expected printable text"),
    "unknown part": (
        'part = "scratch"\nsection = "1"\nprotocol',
        'part = "torch"\nsection = "1"\nprotocol',
        "part: ",
    ),
    "panel of nothing": (
        'experiment = "slow"',
        'experiment = "slwo"',
        r"panels .* 'slwo'; did you mean 'slow'",
    ),
    "unknown panel kind": ('kind = "train_loss"', 'kind = "loss"', "kind: expected one of .* did you mean"),
    "unknown claim kind": ('kind = "better"', 'kind = "bettr"', "kind: .* did you mean 'better'"),
    "claim on nothing": (
        '[["fast", "slow"]]',
        '[["fats", "slow"]]',
        "pairs: no experiment 'fats'; did you mean 'fast'",
    ),
    "claim on itself": ('[["fast", "slow"]]', '[["fast", "fast"]]', "pairs: fast is compared with itself"),
    "half a pair": (
        '[["fast", "slow"]]',
        '[["fast"]]',
        "pairs: expected two experiments in each pair, found 1",
    ),
    "no pair": ('[["fast", "slow"]]', "[]", "pairs: expected at least two experiments"),
    "flat pairs": ('[["fast", "slow"]]', '["fast", "slow"]', r"pairs\[0\]: expected a list, found text"),
    "unknown variant": ('[["fast", "slow"]]', '[["fast", "slow@orderd"]]', "did you mean 'ordered'"),
    "variant elsewhere": ('[["fast", "slow"]]', '[["fast@ordered", "slow"]]', "candidate protocol for fast"),
    "key of other kind": ('[["fast", "slow"]]', '[["fast", "slow"]]\nlevel = 1.0', "level: unknown key"),
    "loss without margin": (
        'kind = "better"',
        'kind = "better"\nmetric = "train_loss"',
        "margin: this key is missing",
    ),
    "idle pattern": (
        'experiments = ["slow"]',
        'experiments = ["slow*", "x/*"]',
        "no experiment matches 'x/\\*'",
    ),
    "reserved candidate": ('id = "ordered"', 'id = "report"', "expected an id without @ other than 'report'"),
    "panels no table": ("[[panels]]", "[panels]", r"panels: expected \[\[panels\]\] tables"),
}


@pytest.mark.parametrize(("old", "new", "message"), WRONG.values(), ids=WRONG)
def test_one_wrong_thing_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write(tmp_path, edited(old, new))
    with pytest.raises(SpecError, match=message) as caught:
        load_spec(path)
    assert str(caught.value).startswith(f"{path}: ")


HAS_NOT = {
    "unknown data set": (
        'dataset = "digits"',
        'dataset = "wine"',
        "dataset: no data set 'wine': name one that",
    ),
    "features": (
        "[64, 32, 10]",
        "[65, 32, 10]",
        "protocols.base.layer_sizes: expected 64 as the first size, the features of digits, found 65",
    ),
    "classes": (
        "[64, 32, 10]",
        "[64, 32, 12]",
        "protocols.base.layer_sizes: expected 10 as the last size, the classes of digits, found 12",
    ),
    "training images": (
        "train_images = 1000",
        "train_images = 1001",
        "protocols.base.train_images: expected at most 1,000, the training images of digits, found 1,001",
    ),
    "test images": (
        "test_images = 797",
        "test_images = 798",
        "protocols.base.test_images: expected at most 797, the test images of digits, found 798",
    ),
    "inherited": (
        "[[candidates]]",
        '[protocols.more]\nextends = "base"\ntest_images = 800\n\n'
        '[[experiments]]\nid = "third"\npart = "scratch"\nsection = "1"\nprotocol = "more"\n\n'
        "[[candidates]]",
        "protocols.more.test_images: expected at most 797",
    ),
    "override": (
        "override = { learning_rate = 0.01 }",
        "override = { learning_rate = 0.01, layer_sizes = [64, 9] }",
        "experiments[0] (slow).override.layer_sizes: expected 10 as the last size",
    ),
    "candidate": (
        "override = { shuffle = false }",
        "override = { train_images = 60_000 }",
        "candidates[0] (ordered).override.train_images: expected at most 1,000",
    ),
    "budget": (
        "[[panels]]",
        '[[budgets]]\nid = "quick"\ntext = "less"\nexperiments = ["*"]\noverride = { epochs = 1 }\n'
        'special = [{ experiments = ["fast"], override = { test_images = 900 } }]\n\n[[panels]]',
        "budgets[0] (quick).special[0].override.test_images: expected at most 797",
    ),
}


@pytest.mark.parametrize(("old", "new", "message"), HAS_NOT.values(), ids=HAS_NOT)
def test_what_a_data_set_has_not_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write(tmp_path, edited(old, new))
    spec = load_spec(path)  # it reads: only training needs the data set
    with pytest.raises(SpecError) as caught:
        check_dataset(spec)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "mnist (784 features, 10 classes, 60,000 training" in str(caught.value)


def test_what_a_data_set_has_is_let_pass(tmp_path: Path, spec: Spec) -> None:
    check_dataset(spec)
    check_dataset(load_spec(write(tmp_path, SMALL)))


def test_loss_is_better_when_lower(tmp_path: Path) -> None:
    text = edited('kind = "better"', 'kind = "better"\nmetric = "train_loss"\nmargin = 0.01')
    claim = load_spec(write(tmp_path, text)).claims[0]
    assert (claim.pairs[0].higher, claim.pairs[0].lower) == (Arm(experiment="slow"), Arm(experiment="fast"))


def test_a_claim_about_a_figure_needs_one(tmp_path: Path) -> None:
    text = edited('kind = "better"', 'kind = "measured_on"\nset = "train"')
    text = text.replace('pairs = [["fast", "slow"]]', 'experiments = ["fast"]')
    with pytest.raises(SpecError, match="fast has no reported figure"):
        load_spec(write(tmp_path, text))


def test_a_budget_takes_no_experiment_by_the_back_door(tmp_path: Path) -> None:
    budget = '[[budgets]]\nid = "b"\ntext = "t"\nexperiments = ["slow"]\n'
    budget += '[[budgets.special]]\nexperiments = ["fast"]\n'
    with pytest.raises(SpecError, match="'fast' is not among the budget's experiments"):
        load_spec(write(tmp_path, SMALL + budget))


def test_the_full_budget_changes_nothing(tmp_path: Path) -> None:
    budget = '[[budgets]]\nid = "full"\ntext = "t"\nexperiments = ["slow"]\noverride = { epochs = 1 }\n'
    with pytest.raises(SpecError, match="the full budget runs the protocol as it stands"):
        load_spec(write(tmp_path, SMALL + budget))


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"absent.toml: cannot be read: No such file"):
        load_spec(tmp_path / "absent.toml")
    (tmp_path / "latin.toml").write_bytes(b'title = "caf\xe9"')
    with pytest.raises(SpecError, match="expected UTF-8"):
        load_spec(tmp_path / "latin.toml")


def bundled_keys(path: Path) -> list[tuple[int, str]]:
    """(line number, key) of the first of the lines that give the same key of the same kind of table."""
    seen: dict[tuple[str, str, str], tuple[int, str]] = {}
    table = kind = ""
    for number, line in enumerate(path.read_text().splitlines()):
        if header := re.match(r"\[+([\w.]+)\]", line):
            table, kind = header[1], ""
        elif found := re.match(r"([a-z_]+) =", line):
            if table == "claims" and found[1] == "kind":
                kind = line
            seen.setdefault((table, kind, found[1]), (number, found[1]))
    return list(seen.values())


@pytest.mark.parametrize("name", ["mnist_mlp.toml", "rubric.toml"])
def test_no_key_of_the_bundled_files_can_be_misspelt(tmp_path: Path, name: str) -> None:
    load = load_spec if name == "mnist_mlp.toml" else load_rubric
    bundled = load().path
    lines = bundled.read_text().splitlines()
    keys = bundled_keys(bundled)
    assert len(keys) > (60 if name == "mnist_mlp.toml" else 3)
    for number, key in keys:
        changed = lines.copy()
        changed[number] = changed[number].replace(key, key + "_x", 1)
        path = tmp_path / name
        path.write_text("\n".join(changed))
        with pytest.raises(SpecError, match=re.escape(key)) as caught:
            load(path)
        assert str(path) in str(caught.value), f"line {number + 1}: {lines[number]}"


# ---- The rubric


def test_the_bundled_rubric_is_worth_100() -> None:
    rubric = load_rubric()
    assert {group.id: group.points for group in rubric.groups.values()} == {
        "contract": 5,
        "forward": 10,
        "loss": 10,
        "gradients": 25,
        "updates": 15,
        "training": 10,
        "properties": 10,
        "accuracy": 15,
    }
    assert rubric.total == 100
    assert all(group.description for group in rubric.groups.values())


def test_an_instructors_rubric(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'schema = 1\n[[groups]]\nid = "gradients"\npoints = 7.5\n'
        '[[groups]]\nid = "loss"\npoints = 2.5\ndescription = "Mine."\n'
    )
    rubric = load_rubric(path)
    assert list(rubric.groups) == ["gradients", "loss"]
    assert rubric.total == 10
    assert rubric.points("accuracy") == 0
    assert rubric.groups["loss"].description == "Mine."
    assert rubric.groups["gradients"].description == load_rubric().groups["gradients"].description
    assert rubric.digest != load_rubric().digest


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (
            '[[groups]]\nid = "gradient"\npoints = 1',
            "no group of checks 'gradient'; did you mean 'gradients'",
        ),
        ('[[groups]]\nid = "loss"\npoints = -1', r"groups\[0\] \(loss\).points: expected 0 or more"),
        ('[[groups]]\nid = "loss"\npoints = 0', "worth more than 0 points together"),
        ('[[groups]]\nid = "loss"\npoints = 1\nweight = 2', "weight: unknown key"),
        (
            '[[groups]]\nid = "loss"\npoints = 1\n[[groups]]\nid = "loss"\npoints = 1',
            "'loss' was given before",
        ),
    ],
)
def test_a_wrong_rubric_is_refused(tmp_path: Path, groups: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f"schema = 1\n{groups}\n")
    with pytest.raises(SpecError, match=message):
        load_rubric(path)
