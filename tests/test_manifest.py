"""The manifest's reader: what it accepts, and that every refusal names the key and the nearest valid one."""

import json
import os

import pytest

from harness.errors import ManifestError
from harness.manifest import Manifest, load_manifest, parse_manifest

FULL = b"""
part = "both"
entry = "net.py"
adapter = "functions"
run = "definitions"
cells = [1, "model", "Net"]
constructor = "params = init(layer_sizes); act = activation"
layers = "model.layers"
weights = ["params['W{i}']", "params['b{i}']"]
gradients = ["grads[2 * k]", "grads[2 * k + 1]"]
layout = "out_in"
bias = "separate"
labels = "one_hot"
batch_axis = 1
one_example = false
output = "logits"
dtype = "float32"
input_scale = 255
backward_updates = 0.5
time_limit = 60
activations = { relu = "ReLU", tanh = "Tanh" }
[functions]
forward = "AL, caches = forward(X, params)"
fit = "model.lr = learning_rate; model.fit(X, y, epochs)"
[claimed]
"scratch/relu/lr=0.01" = 95.7
"""


def test_every_key_is_read_and_survives_json():
    manifest = parse_manifest(FULL)
    assert manifest.cells == (1, "model", "Net")
    assert manifest.claimed == {"scratch/relu/lr=0.01": 95.7}
    assert manifest.batch_axis == 1
    assert manifest.backward_updates == 0.5
    assert Manifest.from_json(json.loads(json.dumps(manifest.to_json()))) == manifest


def test_nothing_said_is_nothing_sent():
    assert parse_manifest(b"") == Manifest()
    assert Manifest().to_json() == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('lables = "one_hot"', ["'lables'", "did you mean 'labels'?"]),
        ('labels = "onehot"', ["labels", "'onehot'", "did you mean 'one_hot'?"]),
        ('part = "Scratch"', ["part", "did you mean 'scratch'?"]),
        ("part = 1", ["part", "scratch, package, both"]),
        ('adapter = "pytorch"', ["adapter", "did you mean 'torch'?"]),
        ('adapter = "../other.py"', ["adapter", "inside the submission's folder"]),
        ('entry = "/etc/passwd"', ["entry", "inside the submission's folder"]),
        ('entry = "a/../../b.py"', ["entry", "inside the submission's folder"]),
        ('entry = "a\\nb.py"', ["entry"]),
        ("batch_axis = 2", ["batch_axis", "0 (examples are rows) or 1"]),
        ("batch_axis = true", ["batch_axis"]),
        ("one_example = 1", ["one_example", "true or false"]),
        ("cells = [0]", ["cells", "from 1"]),
        ("cells = []", ["cells"]),
        ("time_limit = 1e6", ["time_limit", "seconds"]),
        ("time_limit = -1", ["time_limit", "positive"]),
        ("input_scale = nan", ["input_scale", "positive"]),
        ("input_scale = inf", ["input_scale", "positive"]),
        ('constructor = "import os"', ["constructor", "calls and assignments"]),
        ('constructor = "Net("', ["constructor", "not Python"]),
        ('constructor = "while True: pass"', ["constructor", "calls and assignments"]),
        ("constructor = 3", ["constructor", "a text"]),
        ('weights = "f()"', ["weights", "name a place"]),
        ('weights = ["a", "b", "c"]', ["weights", "one or two places"]),
        ('[functions]\nbackwards = "f()"', ["functions.backwards", "did you mean 'backward'?"]),
        ('[functions]\nforward = "f("', ["functions.forward", "not Python"]),
        ('activations = ["relu", "elu"]', ["activations.elu", "did you mean 'relu'?"]),
        ('claimed = { "scratch/relu" = 957 }', ["claimed", "per cent"]),
        ('part = "scratch"\npart = "both"', ["not TOML"]),
        ("part = ", ["not TOML"]),
    ],
)
def test_a_mistake_is_named_with_its_key(text, words):
    with pytest.raises(ManifestError) as raised:
        parse_manifest(text.encode(), "alice/submission.toml")
    message = str(raised.value)
    assert message.startswith("alice/submission.toml")
    for word in words:
        assert word in message


def test_other_encodings_are_refused_plainly():
    with pytest.raises(ManifestError, match="not UTF-8"):
        parse_manifest('part = "é"'.encode("latin-1"))
    assert parse_manifest(b'\xef\xbb\xbfpart = "scratch"').part == "scratch"  # a byte order mark is no harm


def test_a_long_manifest_is_not_read(tmp_path):
    path = tmp_path / "submission.toml"
    path.write_bytes(b"#" * (65 << 10))
    with pytest.raises(ManifestError, match="larger than the 65536"):
        load_manifest(path)


def test_an_adapter_file_travels_with_the_manifest(tmp_path):
    (tmp_path / "bridge.py").write_text("def build(layer_sizes, activation, seed): ...\n")
    path = tmp_path / "submission.toml"
    path.write_text('adapter = "bridge.py"')
    manifest = load_manifest(path)
    assert manifest.adapter_source == "def build(layer_sizes, activation, seed): ...\n"
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_an_adapter_file_is_checked_for_being_there_and_being_python(tmp_path):
    path = tmp_path / "submission.toml"
    path.write_text('adapter = "bridge.py"')
    with pytest.raises(ManifestError, match=r"bridge\.py.*cannot be read"):
        load_manifest(path)
    (tmp_path / "bridge.py").write_text("def build(:")
    with pytest.raises(ManifestError, match="not Python"):
        load_manifest(path)


def test_an_adapter_file_does_not_lead_out_of_the_folder(tmp_path):
    outside = tmp_path / "outside.py"
    outside.write_text("secret = 1\n")
    folder = tmp_path / "alice"
    folder.mkdir()
    (folder / "bridge.py").symlink_to(outside)
    (folder / "submission.toml").write_text('adapter = "bridge.py"')
    with pytest.raises(ManifestError, match="leaves the submission's folder"):
        load_manifest(folder / "submission.toml")


def test_pipes_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "submission.toml")
    with pytest.raises(ManifestError, match="not a regular file"):
        load_manifest(tmp_path / "submission.toml")
    os.mkfifo(tmp_path / "bridge.py")
    (tmp_path / "other.toml").write_text('adapter = "bridge.py"')
    with pytest.raises(ManifestError, match="not a regular file"):
        load_manifest(tmp_path / "other.toml")
