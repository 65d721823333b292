"""Protocols in a specification: tables that extend one another, overrides, and who says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.spec.model import ACTIVATIONS, INITIALISATIONS, OPTIMIZERS, SOURCES, Protocol
from harness.spec.table import Table, nearest

Items = dict[str, Any]
Sources = dict[str, tuple[str, ...]]
Places = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Written:
    """Items of a protocol as a file gives them: the values, who says so, and the key of each in the file."""

    items: Items
    sources: Sources
    places: Places


def _positive(table: Table, key: str) -> int:
    value = table.get(key, int)
    if value < 1:
        raise table.error(key, f"expected 1 or more, found {value}")
    return value


def _rate(table: Table, key: str) -> float:
    value = table.get(key, float)
    if value <= 0:
        raise table.error(key, f"expected a number above 0, found {value}")
    return value


def _decay(table: Table, key: str) -> float:
    value = table.get(key, float)
    if value < 0:
        raise table.error(key, f"expected 0 or more, found {value}")
    return value


def _sizes(table: Table, key: str) -> tuple[int, ...]:
    sizes = table.items(key, int)
    if len(sizes) < 2 or min(sizes) < 1:
        raise table.error(key, f"expected features, hidden units and classes, all 1 or more; found {sizes}")
    return sizes


def _correlation(table: Table, key: str) -> float:
    value = table.get(key, float)
    if not 0 < value < 1:
        raise table.error(key, f"expected a number between 0 and 1, found {value}")
    return value


_READERS: Mapping[str, Callable[[Table, str], Any]] = {
    "layer_sizes": _sizes,
    "activation": lambda table, key: table.choice(key, ACTIVATIONS),
    "optimizer": lambda table, key: table.choice(key, OPTIMIZERS),
    "learning_rate": _rate,
    "batch_size": _positive,
    "epochs": _positive,
    "weight_decay": _decay,
    "train_images": _positive,
    "test_images": _positive,
    "shuffle": lambda table, key: table.get(key, bool),
    "initialisation": lambda table, key: table.choice(key, INITIALISATIONS),
    "loss_every": _positive,
    "start_correlation": _correlation,
}
OPTIONAL = ("start_correlation",)  # no item of the training: what is asked of it


def read_items(table: Table) -> Items:
    """Return the protocol items that a table gives, and no others."""
    return {name: read(table, name) for name, read in _READERS.items() if name in table}


def read_sources(table: Table) -> Sources:
    """Return who says what, for the items that a ``sources`` table names."""
    found = {name: table.choices(name, SOURCES) for name in _READERS if name in table}
    table.finish()
    return found


def read_override(table: Table) -> tuple[Items, Places]:
    """Return the items of an ``override`` table, which holds nothing else, and the key of each."""
    items = read_items(table)
    table.finish()
    return items, _places(table, items)


def _places(table: Table, items: Items) -> Places:
    return {name: table.path(name) for name in items}


def read_protocols(tables: Table) -> dict[str, Written]:
    """Return every ``[protocols.NAME]`` table with what it extends filled in, which must stand above it."""
    protocols: dict[str, Written] = {}
    for name in tables.names():
        table = tables.table(name)
        items, sources = read_items(table), read_sources(table.table("sources"))
        places = _places(table, items)
        if "extends" in table:
            base = table.get("extends", str)
            if base not in protocols:
                raise table.error("extends", f"no protocol {base!r} above this one{nearest(base, protocols)}")
            above = protocols[base]
            items, sources = {**above.items, **items}, {**above.sources, **sources}
            places = {**above.places, **places}
        table.finish()
        protocols[name] = Written(items=items, sources=sources, places=places)
    return protocols


def read_protocol(table: Table, protocols: Mapping[str, Written]) -> tuple[Protocol, Places]:
    """Return the complete protocol of an experiment, the one that it names with its own overrides, and the
    key of each item.

    Call it last: what has not been read from the experiment's table by then is refused.
    """
    name = table.get("protocol", str)
    table.reference("protocol", name, protocols, "protocol")
    override, places = read_override(table.table("override"))
    items = {**protocols[name].items, **override}
    sources = {**protocols[name].sources, **read_sources(table.table("sources"))}
    table.finish()  # before anything is called missing: a misspelt "override" is the likeliest reason
    for item in _READERS:
        if item in OPTIONAL:
            continue
        if item not in items:
            raise table.error("protocol", f"protocol {name!r} with the overrides does not say {item!r}")
        if item not in sources:
            raise table.error("sources", f"protocol {name!r} has no source for {item!r}: say who says so")
    return Protocol(**items, sources=sources), {**protocols[name].places, **places}
