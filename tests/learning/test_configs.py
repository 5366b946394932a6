"""Configurations: one default each, whole through another process's hands, and no name or kind that is not known."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest

from agent.core.errors import SettingsError
from agent.core.settings import Settings, load_settings
from agent.learning import configs
from agent.learning.configs import DREAMER, ActiveInferenceConfig, Budget, DreamConfig, PolicySpec, PPOConfig
from agent.models import sizes

STRUCTS = [
    kind
    for room in (configs, sizes)
    for kind in vars(room).values()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct)
]


def test_settings_that_nobody_gave_are_the_defaults_of_a_budget() -> None:
    budget = configs.learner_budget(Settings())
    assert budget == Budget(device="auto")
    assert budget.dream == DreamConfig(horizon=15, starts=256, gamma=0.997, lr=2e-4, warm_up=100, units=128, layers=2)


def test_every_setting_of_learning_arrives_in_the_budget_and_at_the_other_end() -> None:
    environ = {
        "METABONK_SERVED_POLICY": "ppo+dream", "METABONK_LEARNER_DEVICE": "cpu", "METABONK_DREAM_HORIZON": "7",
        "METABONK_DREAM_STARTS": "9", "METABONK_DREAM_GAMMA": "0.5", "METABONK_DREAM_ACTOR_LR": "0.01",
        "METABONK_DREAM_DISTILL_COEF": "0.3", "METABONK_DREAM_ACTION_NOISE": "0.2", "METABONK_EFE_PREF_TAU": "3",
        "METABONK_EFE_LIKING": "1,2,3,4,5,6", "METABONK_USE_ACTIVE_INFERENCE": "0",
    }  # fmt: skip
    budget = configs.learner_budget(load_settings(None, environ))
    dream = budget.dream
    assert (budget.served, budget.device, budget.distill_coef, budget.use_active_inference) == (
        "ppo+dream", "cpu", 0.3, False
    )  # fmt: skip
    assert (dream.horizon, dream.starts, dream.gamma, dream.lr, dream.action_noise) == (7, 9, 0.5, 0.01, 0.2)
    assert budget.preferences.liking == (1.0, 2.0, 3.0, 4.0, 5.0, 6.0) and budget.preferences.tau == 3.0
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(budget), type=Budget) == budget


@pytest.mark.parametrize(("value", "actor", "beside"), [(None, True, False), ("1", True, True), ("0", False, False)])
def test_dreams_beside_a_policy_that_plays_by_ppo_are_asked_for(value: str | None, actor: bool, beside: bool) -> None:
    environ = {} if value is None else {"METABONK_USE_DREAM_TRAINING": value}
    budget = configs.learner_budget(load_settings(None, environ))
    assert (budget.use_dreams, budget.dreams_beside_ppo, budget.use_world) == (actor, beside, True)


def test_settings_that_contradict_each_other_are_refused() -> None:
    settings = load_settings(None, {"METABONK_SERVED_POLICY": "dreamer", "METABONK_USE_DREAM_TRAINING": "0"})
    with pytest.raises(SettingsError, match="needs dreams"):
        configs.learner_budget(settings)
    for name, value in (("SERVED_POLICY", "dreams"), ("LEARNER_DEVICE", "tpu")):
        with pytest.raises(SettingsError, match=f"METABONK_{name} = '{value}': Input should be"):
            load_settings(None, {f"METABONK_{name}": value})


@pytest.mark.parametrize("kind", STRUCTS, ids=lambda kind: kind.__name__)
def test_each_is_frozen_and_refuses_a_misspelt_name(kind: type[msgspec.Struct]) -> None:
    config = kind.__struct_config__
    assert config.frozen and config.forbid_unknown_fields, kind
    with pytest.raises(msgspec.ValidationError, match="unknown field `lrr`"):
        msgspec.msgpack.decode(msgspec.msgpack.encode({"lrr": 1.0}), type=kind)


def test_a_misspelt_name_within_another_and_a_kind_that_is_none_are_refused() -> None:
    assert {PPOConfig, DreamConfig, ActiveInferenceConfig, Budget, PolicySpec} <= set(STRUCTS)
    for wrong in ({"dream": {"horizn": 3}}, {"ppo": {"clips": 0.1}}, {"served": "dreams"}, {"device": "tpu"}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(wrong, Budget)
    assert msgspec.convert({"name": "p", "kind": "dreamer"}, PolicySpec).kind == DREAMER
    with pytest.raises(msgspec.ValidationError, match="kind"):
        msgspec.convert({"name": "p", "kind": "dremaer"}, PolicySpec)


def test_configurations_are_read_without_torch() -> None:
    code = "import sys, agent.learning.configs; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
