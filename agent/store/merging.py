"""What is merged: weight files, policies of the store and skills, all fine-tuned from one base; and what becomes of it.

Blocks on the disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from agent.control.policies import SHIPPED, SHIPPED_MOTOR
from agent.core.errors import WeightsError
from agent.learning.merging.recipe import Recipe
from agent.learning.merging.vectors import check_alike
from agent.models.sealed import Manifest, Tensors, content_sha256, load_sealed, read_manifest
from agent.store.skills import SkillStore, check_base, compose
from agent.store.store import ORIGIN, Stored, WeightsStore, check_name

SKILL: Final = "skill:"
WEIGHTS: Final = ".safetensors"
BASE: Final = "base"
"""Among the notes of weights: the SHA-256 of those that they were fine-tuned from."""


class Base(msgspec.Struct, frozen=True, eq=False):
    """What the sources were fine-tuned from."""

    tensors: Tensors
    kind: str
    layout: dict[str, Any]
    sizes: dict[str, Any]
    sha256: str


class Source(msgspec.Struct, frozen=True, eq=False):
    """One source. task: what a skill was trained for, empty for others; described: for people and language models."""

    name: str
    tensors: Tensors
    sha256: str
    task: dict[str, Any] = {}
    described: str = ""


def base_of(named: str | None, texts: Sequence[str], store: WeightsStore, skills: SkillStore) -> Base:
    """The base: the file or stored policy that is named, else the shipped weights that a source says; WeightsError."""
    if named is not None:
        manifest, tensors = _weights(named, store)
        return _base(manifest, tensors)
    said = {text: declared for text in texts if (declared := _declared(text, store, skills))}
    for path in (SHIPPED, SHIPPED_MOTOR):
        if read_manifest(path).sha256 in said.values():
            return _base(*load_sealed(path))
    told = f"{next(iter(said))} was made from {next(iter(said.values()))[:12]}" if said else "no source says it"
    raise WeightsError(f"the base: {told}, and it is none of the shipped weights; name it with --base")


def _base(manifest: Manifest, tensors: Tensors) -> Base:
    return Base(tensors, manifest.kind, manifest.layout, manifest.sizes, content_sha256(tensors))


def _weights(text: str, store: WeightsStore) -> tuple[Manifest, Tensors]:
    """Manifest and tensors of a file, or of a policy of the store, NAME or NAME@VERSION."""
    if text.endswith(WEIGHTS) or Path(text).is_file():
        return load_sealed(Path(text))
    policy, _, version = text.partition("@")
    if version and not version.isdigit():
        raise WeightsError(f"{text}: a version is a number, as in {policy}@3")
    if policy not in store.policies():
        there = ", ".join(store.policies()) or "none"
        raise WeightsError(f"{text}: is no file, and the store {store.folder} holds {there}; a skill is skill:NAME")
    stored, tensors = store.load(policy, int(version) if version else None)
    return stored.manifest, tensors


def _declared(text: str, store: WeightsStore, skills: SkillStore) -> str:
    """The SHA-256 of the base that a source names; "" where it names none."""
    if text.startswith(SKILL):
        return skills.find(text.removeprefix(SKILL)).base
    notes = _weights(text, store)[0].notes
    return str(notes.get(BASE) or notes.get(ORIGIN) or "")


def sources_of(texts: Sequence[str], base: Base, store: WeightsStore, skills: SkillStore) -> list[Source]:
    """The sources; raises WeightsError where one is unknown, of another kind, base or normaliser, or named twice."""
    if len(set(texts)) != len(texts):
        raise WeightsError(f"{' '.join(texts)}: a source is named twice")
    found = [_source(text, base, store, skills) for text in texts]
    check_alike(base.tensors, [source.tensors for source in found], [source.name for source in found])
    return found


def _source(text: str, base: Base, store: WeightsStore, skills: SkillStore) -> Source:
    if text.startswith(SKILL):
        skill, vector = skills.load(text.removeprefix(SKILL))
        check_base(skill, base.sha256)
        tuned = compose(base.tensors, [vector], [1.0])
        return Source(skill.name, tuned, skill.sha256, dict(skill.task), skill.description)
    manifest, tensors = _weights(text, store)
    if (manifest.kind, manifest.layout) != (base.kind, base.layout):
        raise WeightsError(f"{text}: holds a {manifest.kind} that observes other things than the base, a {base.kind}")
    declared = str(manifest.notes.get(BASE) or manifest.notes.get(ORIGIN) or "")
    if declared and declared != base.sha256:
        raise WeightsError(f"{text}: was made from the weights {declared[:12]}, the base is {base.sha256[:12]}")
    return Source(Path(text).stem if text.endswith(WEIGHTS) else text, tensors, manifest.sha256)


def publish_merge(
    store: WeightsStore, tensors: Tensors, base: Base, sources: Sequence[Source], recipe: Recipe, *,
    target: str | None, created_by: str, verdict: Any = None,
) -> Stored:  # fmt: skip
    """Keep a merge as the next version of a policy, with its recipe among the notes; a running play takes it up.

    target: the policy's name; None for the base's kind. Raises WeightsError.
    """
    notes = {
        "recipe": msgspec.to_builtins(recipe), BASE: base.sha256,
        "sources": [{"name": s.name, "sha256": s.sha256} for s in sources], "verdict": verdict,
    }  # fmt: skip
    return store.publish(
        check_name(target or base.kind), tensors, kind=base.kind, layout=base.layout, sizes=base.sizes,
        created_by=created_by, notes=notes,
    )  # fmt: skip
