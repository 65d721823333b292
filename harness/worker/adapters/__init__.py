"""Bringing a submission into the contract's shape: as it is, by its manifest, or by an adapter file."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Mapping
from typing import Any

from harness.worker.loading import NotProvided
from harness.worker.script import Script

Build = Callable[[list[int], str, int], Any]


def adapt(script: Script, manifest: Mapping[str, Any], notes: list[str]) -> Build:
    """Return ``build`` for a script that has run; raises what an adapter file raises."""
    adapter = manifest.get("adapter") or ""
    if adapter.endswith(".py"):
        return _from_file(adapter, manifest.get("adapter_source") or "")
    declares = any(key in manifest for key in ("constructor", "functions", "weights"))
    if adapter in ("", "contract") and not (adapter == "" and declares):
        return _contract(script, manifest, notes)
    if adapter == "sklearn":
        from harness.worker.adapters.sklearn_estimator import estimator_build

        return estimator_build(script, manifest)
    return _declared(script, manifest, notes)


def _contract(script: Script, manifest: Mapping[str, Any], notes: list[str]) -> Build:
    build = script.module.__dict__.get("build")
    if not callable(build):
        reason = script.missing.get("build", "it defines no build(layer_sizes, activation, seed)")
        raise_hint = (
            f"{script.path.name}: {reason}; any other shape needs a manifest of a few lines: "
            "`backcheck inspect` proposes one, or prints a skeleton of it to fill in (docs/submissions.md)"
        )

        def absent(layer_sizes: list[int], activation: str, seed: int) -> Any:
            raise NotProvided(raise_hint)

        return absent
    from harness.worker.adapters.contract import TRANSLATED, translated, unused
    from harness.worker.adapters.declaration import declare
    from harness.worker.loading import explained

    notes += unused(manifest)
    declared = declare({**manifest, "adapter": "object"}) if TRANSLATED & manifest.keys() else None

    def call(layer_sizes: list[int], activation: str, seed: int) -> Any:
        with explained(script):
            model = build(layer_sizes, activation, seed)
        return model if declared is None else translated(model, declared, layer_sizes[-1])

    return call


def _from_file(name: str, source: str) -> Build:
    module = types.ModuleType(f"adapter {name.removesuffix('.py')}")
    sys.modules[module.__name__] = module  # dataclasses look their module up; no import has this name
    exec(compile(source, f"<adapter {name}>", "exec", dont_inherit=True), module.__dict__)
    build = module.__dict__.get("build")
    if not callable(build):
        raise NotProvided(f"the adapter {name} defines no build(layer_sizes, activation, seed)")

    def call(layer_sizes: list[int], activation: str, seed: int) -> Any:
        from harness.worker.adapters.declared import seed_everything

        seed_everything(seed)
        return build(layer_sizes, activation, seed)

    return call


def _network(adapter: str) -> Any:
    # Imported by need: torch costs seconds and is only there for the package part.
    if adapter == "torch":
        from harness.worker.adapters.torch_module import TorchNetwork

        return TorchNetwork
    from harness.worker.adapters.declared import Network

    return Network


def _declared(script: Script, manifest: Mapping[str, Any], notes: list[str]) -> Build:
    from harness.worker.adapters.declaration import declare

    declared = declare(manifest)
    if not declared.sized:
        notes.append("its sizes are written down: for any others the harness draws the first weights")
    kind = _network(declared.adapter)
    bound = {name for snippet in declared.functions.values() for name in snippet.targets}
    if "loss" not in {*declared.functions, *bound} and not declared.tensors:
        notes.append(
            "the loss is computed by the harness from the outputs: the manifest names no loss function"
        )
    if "fit" not in declared.functions and (declared.tensors or "update" in declared.functions):
        notes.append("the training loop is the harness's: the manifest names no fit function")

    def build(layer_sizes: list[int], activation: str, seed: int) -> Any:
        return kind(script, declared, list(layer_sizes), activation, seed).verbs()

    return build
