"""The route that merges policies of the store: `POST /merge_policies`.

Work on the disk runs on the lane that it is given. A language model's weights are never published: where the target is
in the store they challenge it over whole runs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from aiohttp import web

from agent.concurrency.lane import Lane
from agent.core.errors import RequestError, WeightsError
from agent.core.part import Part, Route
from agent.http.decoding import Decoder
from agent.http.session_api import body_of
from agent.http.workers import answer, routes_of
from agent.learning.merging.recipe import Recipe, merge
from agent.models.sealed import save_sealed
from agent.planning.llm import LanguageModel
from agent.planning.part import SystemTwo
from agent.planning.weighting import Weigher
from agent.session.options import SessionOptions
from agent.store.challenging import give
from agent.store.merging import Base, Source, base_of, publish_merge, sources_of
from agent.store.skills import SkillStore
from agent.store.store import NAME, WeightsStore

MAX_SOURCES: Final = 16
NOT_STORED: Final = "no weights are kept here, so there is nothing to merge"


class PostMerge(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /merge_policies: sources of the store that were fine-tuned from one base become the target's next version.

    topk: the share of the entries that stay. role_weights: by source, 0 to 2, else 1. auto_llm: a language model may
    propose weights; left out, as METABONK_LLM_AUTO_MERGE says. dry_run: nothing is kept.
    """

    source_policies: tuple[str, ...]
    target_policy: str
    base_policy: str | None = None
    method: Literal["ties", "weighted", "retain", "average", "task-arithmetic", "dare", "iso-c", "ram"] = "ties"
    topk: float = 0.2
    role_weights: dict[str, float] = {}
    auto_llm: bool | None = None
    dry_run: bool = False


@dataclass(frozen=True)
class MergeApi(Part):
    """Merging over HTTP. store: None where nothing is kept; model: asked for the language model, None without one."""

    name = "merge api"
    store: WeightsStore | None
    skills: SkillStore
    disk: Lane
    decoder: Decoder
    model: Callable[[], LanguageModel | None] = lambda: None
    auto_llm: bool = False

    async def _post(self, request: web.Request) -> web.StreamResponse:
        body: PostMerge = await body_of(request, self.decoder, PostMerge)
        store = self.store
        if store is None:
            raise RequestError(404, NOT_STORED)
        recipe = _checked(body)
        for name in body.source_policies:
            if not await self.disk.run(lambda name=name: _is_there(store, name)):  # type: ignore[misc]
                raise RequestError(404, f"{name[:80]!r}: the store holds no policy of this name")
        try:
            base, sources = await self.disk.run(lambda: self._sources(store, body))
            models, names = [s.tensors for s in sources], [s.name for s in sources]
            merged = await self.disk.run(lambda: merge(base.tensors, models, recipe, names))
            proposed = await self._proposed(store, body, base, sources, recipe)
            report = {**merged.report, "llm": proposed}
            if body.dry_run:
                return answer(
                    request, {"ok": True, "target_policy": body.target_policy, "version": 0, "report": report}
                )
            stored = await self.disk.run(
                lambda: publish_merge(
                    store,
                    merged.tensors,
                    base,
                    sources,
                    recipe,
                    target=body.target_policy,
                    created_by="/merge_policies " + " ".join(names),
                )  # fmt: skip
            )
        except WeightsError as error:
            raise RequestError(400, str(error)) from error
        said = {"ok": True, "target_policy": stored.policy, "version": stored.version, "report": report}
        return answer(request, said)

    def _sources(self, store: WeightsStore, body: PostMerge) -> tuple[Base, list[Source]]:
        base = base_of(body.base_policy, body.source_policies, store, self.skills)
        return base, sources_of(body.source_policies, base, store, self.skills)

    async def _proposed(
        self, store: WeightsStore, body: PostMerge, base: Base, sources: list[Source], recipe: Recipe
    ) -> dict[str, Any]:
        """What a language model proposes, and what becomes of it; why there is nothing, where there is not."""
        if not (self.auto_llm if body.auto_llm is None else body.auto_llm):
            return {"is_on": False, "why": "auto_llm is false"}
        model = self.model()
        if model is None or not model.ready:
            return {"is_on": False, "why": "there is no language model" if model is None else model.why}
        names = [s.name for s in sources]
        weigher = Weigher(model, {s.name: s.described for s in sources})
        weights = await weigher.weights(names)
        if weights is None:
            raise RequestError(503, f"{model.name} gave no weights: {', '.join(weigher.faults)}")
        said = {"is_on": True, "model": model.name, "weights": dict(zip(names, weights, strict=True))}
        if body.dry_run or not await self.disk.run(lambda: _is_there(store, body.target_policy)):
            return {**said, "became": "nothing: measure it with `python -m agent merge --evaluate`"}
        candidate = msgspec.structs.replace(recipe, weights=tuple(weights))
        await self.disk.run(lambda: _challenge(store, body.target_policy, base, sources, candidate))
        return {**said, "became": f"a challenger of {body.target_policy}"}

    def routes(self) -> Sequence[Route]:
        """Merge policies."""
        return routes_of(("POST", "/merge_policies", self._post))


def _checked(body: PostMerge) -> Recipe:
    """The recipe; raises RequestError."""
    sources = body.source_policies
    if not 1 <= len(sources) <= MAX_SOURCES:
        raise RequestError(400, f"source_policies has {len(sources)} names: 1 to {MAX_SOURCES} are merged")
    for name in (*sources, body.target_policy, body.base_policy or "base"):
        if NAME.fullmatch(name) is None:
            raise RequestError(400, f"{name[:80]!r} is no name of a policy")
    unknown = [name for name in body.role_weights if name not in sources]
    if unknown:
        raise RequestError(400, f"role_weights names {unknown[0][:80]!r}, which is no source")
    weights = tuple(body.role_weights.get(name, 1.0) for name in sources) if body.role_weights else ()
    recipe = Recipe(method=body.method, weights=weights, density=body.topk)
    try:
        recipe.check(len(sources))
    except WeightsError as error:
        raise RequestError(400, str(error)) from error
    return recipe


def _is_there(store: WeightsStore, name: str) -> bool:
    return NAME.fullmatch(name) is not None and store.named(name) > 0


def _challenge(store: WeightsStore, target: str, base: Base, sources: Sequence[Source], recipe: Recipe) -> None:
    """Let a candidate play some of the target's runs; see `store.contest`. Raises WeightsError."""
    merged = merge(base.tensors, [s.tensors for s in sources], recipe, [s.name for s in sources])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "merged-by-language-model.safetensors"
        save_sealed(path, merged.tensors, kind=base.kind, layout=base.layout, sizes=base.sizes)
        give(store, target, path)


def merge_api(
    options: SessionOptions, store: WeightsStore | None, disk: Lane, decoder: Decoder, system: SystemTwo | None
) -> MergeApi:
    """The route of a session. system: whose language model is asked, None where nothing plans."""

    def model() -> LanguageModel | None:
        return system.backend.model if system is not None else None

    skills = SkillStore(options.skills.folder or Path("skill_vectors"))
    return MergeApi(store, skills, disk, decoder, model, options.auto_merge)
