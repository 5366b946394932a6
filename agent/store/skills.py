"""The database of skills: a folder with an index and one sealed file for each, and the skills that are shipped.

A skill is a task vector, what a fine-tuned policy differs by from its base, in half precision. It fits the very weights
that it was made from, which its manifest names by their SHA-256. Several are composed by TIES, each with a scale in
0 … 2; scales that a measurement accepted are kept beside the index. Blocks on the disk; owns no thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import numpy as np
from filelock import FileLock, Timeout

from agent.core.errors import WeightsError
from agent.core.files import write_atomically
from agent.core.suggest import did_you_mean
from agent.learning.merging.methods import ties
from agent.learning.merging.vectors import added, flat, parameters
from agent.models.sealed import Tensors, content_sha256, load_sealed, save_sealed
from agent.store.store import check_name

KIND: Final = "skill"
INDEX: Final = "index.json"
COMPOSITIONS: Final = "compositions.json"
SCHEMA: Final = "metabonk-skills/1"
SHIPPED: Final = Path(__file__).resolve().parents[1] / "shipped" / "skills"
DENSITY: Final = 0.2
MAX_SCALE: Final = 2.0
PATIENCE_S: Final = 10.0
MAX_TEXT: Final = 500
T = TypeVar("T")


class Skill(msgspec.Struct, frozen=True, kw_only=True):
    """One skill, as the index has it. of: the kind of the policy; base: SHA-256 of the weights that it is added to.

    trigger: when play swaps it in; performance: figures of its measurement.
    """

    name: str
    description: str
    tags: list[str]
    performance: dict[str, Any]
    file: str
    sha256: str
    of: str
    base: str
    trigger: str = ""
    task: dict[str, Any] = {}

    def is_asked(self, asked: set[str]) -> bool:
        """True where one of these triggers, in lower case, is what the skill is for."""
        return any(said.lower() in asked for said in (self.trigger, *self.tags))

    @property
    def is_costly(self) -> bool:
        """True where its own measurement shows that whole runs score less with it."""
        score = self.performance.get("score_s")
        difference = score.get("difference") if isinstance(score, dict) else None
        return isinstance(difference, list) and len(difference) == 3 and difference[2] < 0.0


class Composition(msgspec.Struct, frozen=True, kw_only=True):
    """Scales of skills together that a measurement accepted. names: sorted; scales: in their order."""

    base: str
    names: list[str]
    scales: list[float]
    made_by: str = ""
    figures: dict[str, Any] = {}


class _Index(msgspec.Struct, frozen=True):
    schema: str = SCHEMA
    skills: list[Skill] = []


class _Compositions(msgspec.Struct, frozen=True):
    schema: str = SCHEMA
    compositions: list[Composition] = []


class SkillStore:
    """Skills of a folder, and those that are shipped; of one name, the folder's counts."""

    def __init__(self, folder: Path, shipped: Path = SHIPPED) -> None:
        self.folder = folder
        self._shipped = shipped

    def skills(self) -> list[Skill]:
        """All skills, by name; raises WeightsError where an index cannot be read."""
        return [skill for skill, _ in sorted(self._all().values(), key=lambda found: found[0].name)]

    def _all(self) -> dict[str, tuple[Skill, Path]]:
        found: dict[str, tuple[Skill, Path]] = {}
        for folder in (self._shipped, self.folder):
            for skill in _read(folder / INDEX, _Index).skills:
                if Path(skill.file).name != skill.file:
                    raise WeightsError(
                        f"{folder / INDEX}: skill {skill.name} has the file {skill.file!r}: no plain name"
                    )
                found[skill.name] = (skill, folder / skill.file)
        return found

    def find(self, name: str) -> Skill:
        """The skill of this name; raises WeightsError naming the nearest."""
        return self._found(name)[0]

    def _found(self, name: str) -> tuple[Skill, Path]:
        known = self._all()
        if name not in known:
            there = ", ".join(sorted(known)) or "none"
            raise WeightsError(f"skill {name[:80]!r}: there are {there}{did_you_mean(name, list(known))}")
        return known[name]

    def load(self, name: str) -> tuple[Skill, Tensors]:
        """A skill with its task vector, by the policy's names of tensors; raises WeightsError."""
        skill, path = self._found(name)
        manifest, tensors = load_sealed(path)
        if manifest.kind != KIND or manifest.sha256 != skill.sha256:
            raise WeightsError(f"{path}: is not the file that {INDEX} names for the skill {name}; train it again")
        return skill, tensors

    def save(
        self, name: str, base: Tensors, tuned: Tensors, *, of: str, layout: dict[str, Any], description: str,
        tags: Sequence[str] = (), trigger: str = "", task: dict[str, Any] | None = None, created_by: str = "",
        performance: Callable[[Tensors], dict[str, Any]] = lambda tensors: {},
    ) -> Skill:  # fmt: skip
        """Keep what `tuned` differs by from `base` as a skill, in place of one of that name; raises WeightsError.

        performance: asked with the weights that the kept vector makes, rounded as it is.
        """
        check_name(name)
        vector = difference(base, tuned)
        figures = performance(compose(base, [vector], [1.0]))
        said = content_sha256(base)
        notes: dict[str, Any] = {
            "name": name, "description": description[:MAX_TEXT], "tags": list(tags), "performance": figures, "of": of,
            "base": said, "trigger": trigger, "task": task or {},
        }  # fmt: skip
        path = self.folder / f"{name}.safetensors"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / ".skills.lock", timeout=PATIENCE_S):
                manifest = save_sealed(
                    path, vector, kind=KIND, layout=layout, sizes={}, created_by=created_by, notes=notes
                )
                skill = Skill(**notes, file=path.name, sha256=manifest.sha256)
                others = [s for s in _read(self.folder / INDEX, _Index).skills if s.name != name]
                _write(self.folder / INDEX, _Index(skills=sorted([*others, skill], key=lambda s: s.name)))
        except (OSError, Timeout) as error:
            raise WeightsError(f"{self.folder}: {getattr(error, 'strerror', None) or error}") from error
        return skill

    # --- composition ---------------------------------------------------------------------------------------------

    def compositions(self) -> list[Composition]:
        """Scales that were accepted, the newest last."""
        found = [_read(folder / COMPOSITIONS, _Compositions) for folder in (self._shipped, self.folder)]
        return [c for each in found for c in each.compositions]

    def accepted(self, base: str, names: Iterable[str]) -> Composition | None:
        """The scales that were accepted for these skills on this base, None where none were."""
        wanted = sorted(names)
        return next((c for c in reversed(self.compositions()) if (c.base, c.names) == (base, wanted)), None)

    def keep(self, composition: Composition) -> None:
        """Keep accepted scales, in place of earlier ones of these skills; raises WeightsError."""
        _check_scales(composition.scales, len(composition.names))
        path = self.folder / COMPOSITIONS
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / ".skills.lock", timeout=PATIENCE_S):
                others = _read(path, _Compositions).compositions
                same = [c for c in others if (c.base, c.names) != (composition.base, composition.names)]
                _write(path, _Compositions(compositions=[*same, composition]))
        except (OSError, Timeout) as error:
            raise WeightsError(f"{self.folder}: {getattr(error, 'strerror', None) or error}") from error

    def composed(self, base: Tensors, names: Sequence[str], scales: Sequence[float] | None = None) -> Tensors:
        """A policy's weights with these skills; scales: those that were accepted for them, else 1 each.

        Raises WeightsError, also where a skill is of another base.
        """
        said = content_sha256(base)
        if scales is None and len(names) > 1:
            kept = self.accepted(said, names)
            scales = None if kept is None else [kept.scales[kept.names.index(name)] for name in names]
        vectors = []
        for name in names:
            skill, vector = self.load(name)
            check_base(skill, said)
            vectors.append(vector)
        return compose(base, vectors, [1.0] * len(names) if scales is None else scales)


def check_base(skill: Skill, base: str) -> None:
    """Raise WeightsError where a skill was made from other weights than those of this SHA-256."""
    if skill.base != base:
        raise WeightsError(
            f"skill {skill.name}: was made from the weights {skill.base[:12]}, these are {base[:12]}; "
            "train it on these with `python -m agent skills train`"
        )


def difference(base: Tensors, tuned: Tensors) -> Tensors:
    """What fine-tuned weights differ by, in half precision; tensors that are alike are left out.

    Raises WeightsError where more than parameters differ.
    """
    names, found = set(parameters(base)), {}
    for name in sorted(base.keys() | tuned.keys()):
        mine, theirs = base.get(name), tuned.get(name)
        if mine is None or theirs is None or mine.shape != theirs.shape:
            raise WeightsError(f"tensor {name}: a skill has the tensors of its base, and this one differs in shape")
        if np.array_equal(mine, theirs):
            continue
        if name not in names:
            raise WeightsError(f"tensor {name}: differs from the base's; a skill changes parameters alone")
        found[name] = (theirs.astype(np.float32) - mine.astype(np.float32)).astype(np.float16)
    return found


def compose(base: Tensors, vectors: Sequence[Tensors], scales: Sequence[float], density: float = DENSITY) -> Tensors:
    """The base with task vectors: one is added as it is, several are merged by TIES; scales in 0 … 2.

    Raises WeightsError where a vector does not fit.
    """
    _check_scales(scales, len(vectors))
    names = parameters(base)
    for vector in vectors:
        for name, tensor in vector.items():
            if name not in base or base[name].shape != tensor.shape or name not in names:
                raise WeightsError(f"tensor {name}: is no parameter of these weights, or of another shape")
    zeros = {name: np.zeros(base[name].shape, np.float32) for name in names}
    rows = [np.float32(s) * flat(zeros | v, names) for s, v in zip(scales, vectors, strict=True) if s > 0]
    if not rows:
        return dict(base)
    return added(base, rows[0] if len(rows) == 1 else ties(np.stack(rows), density), names)


def _check_scales(scales: Sequence[float], count: int) -> None:
    if len(scales) != count:
        raise WeightsError(f"{len(scales)} scales for {count} skills: one for each is needed")
    for scale in scales:
        if not 0.0 <= scale <= MAX_SCALE:
            raise WeightsError(f"scale {scale:g}: 0 to {MAX_SCALE:g}")


def _read(path: Path, kind: type[T]) -> T:
    try:
        found = msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return kind()
    except (OSError, RecursionError, msgspec.DecodeError, msgspec.ValidationError) as error:
        raise WeightsError(f"{path}: not an index of skills: {error}") from error
    schema = getattr(found, "schema", "")
    if schema != SCHEMA:
        raise WeightsError(f"{path}: schema {schema}, this program reads {SCHEMA}")
    return found


def _write(path: Path, values: Any) -> None:
    write_atomically(path, msgspec.json.format(msgspec.json.encode(values), indent=1))
