"""Every setting: typed, read once, unknown names refused.

Precedence: defaults < TOML file < environment < command line. The caller passes the environment in; nothing is read
at import. A setting enters with the feature that reads it; the names of features to come are refused as not built.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo

from agent.core.choices import WANTED
from agent.core.errors import SettingsError
from agent.core.files import read_toml
from agent.core.suggest import did_you_mean

PREFIX: Final = "METABONK_"
DEFAULT_FILE: Final = Path("metabonk.toml")
ServedPolicy = Literal["ppo", "ppo+dream", "dreamer", "off-policy"]
LearnerDevice = Literal["auto", "cpu", "cuda"]
LlmBackend = Literal["auto", "ollama", "openai", "builtin"]
_TRUE, _FALSE = {"1", "true"}, {"0", "false"}
_SHOWN: Final = 80


@dataclass(frozen=True, kw_only=True)
class ConfigOption:
    """The option of every command that reads settings."""

    config: Path | None = None
    """A TOML file of settings. Default: ./metabonk.toml where it exists."""


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


def _setting(default: Any, env: str, purpose: str, **bounds: Any) -> Any:
    return Field(default=default, description=purpose, json_schema_extra={"env": PREFIX + env}, **bounds)


def plain_host(text: str) -> str:
    """A host's name or address, one of IPv6 without its brackets; raises ValueError saying why it is none."""
    host = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if ":" in host or host != text:
        try:
            return str(ipaddress.IPv6Address(host))
        except ValueError as error:
            hint = "; the port is a setting of its own" if host.count(":") == 1 else ""
            raise ValueError(f"{host!r} is no IPv6 address{hint}") from error
    try:
        host.encode("idna")
    except UnicodeError as error:
        raise ValueError(f"{host[:80]!r} is no name of a host: {error.__cause__ or error}") from error
    if not host or not host.isprintable() or set(host) & set(" /\\@?#[]"):
        raise ValueError(f"{host[:80]!r} is no name of a host")
    return host


class GeneralSettings(_Group):
    """Settings of the process as a whole."""

    http_port: int = _setting(8040, "HTTP_PORT", "Port of the page and the API; 0 picks one", ge=0, le=65535)
    http_token: SecretStr = _setting(
        SecretStr(""), "HTTP_TOKEN", "Bearer token for requests that write; made at the first start where empty"
    )
    weights_dir: str = _setting(
        "", "WEIGHTS_DIR", "Folder of the weights' versions, watched for new files; the user's data folder where empty"
    )
    memory_mib: int = _setting(
        0,
        "MEMORY_MIB",
        "Most MiB that the program and all that it starts may use; above it the learner, pictures of recordings, the "
        "menus' reader and the language model are given up, in this order; 0: what the machine has",
        ge=0,
        le=1 << 24,
    )
    challenger_share: float = _setting(
        0.0,
        "CHALLENGER_SHARE",
        "Share of the runs that new weights of the learner play until their scores are shown to be higher, such as "
        "0.33; 0: they act at once, since a small gain takes many runs to show",
        ge=0.0,
        le=0.5,
    )
    reward_table: str = _setting(
        "score",
        "REWARD_TABLE",
        "What games without a reward of their own pay: score, counters (the table of version 0.1.0), or a .toml file "
        "of weights",
        min_length=1,
    )
    world: str = _setting(
        "",
        "WORLD",
        "File of a world that `world train` made: how surprising the game is to it is shown in /status, and told as an "
        "event; empty: off",
    )


class RecordingSettings(_Group):
    """What is kept of sessions; see `journal`."""

    recordings_dir: str = _setting("", "RECORDINGS_DIR", "Folder of recordings; the user's data folder where empty")
    max_mib: int = _setting(
        2048, "RECORDINGS_MAX_MIB", "Most MiB that all recordings take; the oldest go first", ge=16, le=1 << 20
    )


class LinkSettings(_Group):
    """Where the game is, and how much it may send."""

    use_bonklink: bool = _setting(
        True, "USE_BONKLINK", "Look for a running game at the port, then at 5555, before the arena is played"
    )
    host: str = _setting("127.0.0.1", "BONKLINK_HOST", "Address of the game", min_length=1)
    port: int = _setting(5560, "BONKLINK_PORT", "Port of the game; game i of several is at port + i", ge=1, le=65535)
    use_pipe: bool = _setting(False, "BONKLINK_USE_PIPE", "Play over a Windows named pipe instead")
    pipe_name: str = _setting("BonkLink", "BONKLINK_PIPE_NAME", "Name of the pipe", pattern=r"^[A-Za-z0-9_.-]{1,128}$")
    use_research_shm: bool = _setting(
        False, "USE_RESEARCH_SHM", "Play ResearchPlugin's game in lock-step over shared memory, and nothing else"
    )
    max_frame_bytes: int = _setting(
        4 << 20, "BONKLINK_MAX_FRAME_BYTES", "Largest frame accepted; raw 1080p needs 6220816", ge=1024, le=1 << 28
    )
    max_enemies: int = _setting(16_000, "BONKLINK_MAX_ENEMIES", "Most enemies accepted in a state", ge=1, le=1 << 20)

    @field_validator("host")
    @classmethod
    def _is_host(cls, text: str) -> str:
        return plain_host(text)


class DreamSettings(_Group):
    """Learning inside the world model; see `learning.dreamer`."""

    served_policy: ServedPolicy = _setting(
        "ppo",
        "SERVED_POLICY",
        "What acts: ppo (the pilot), ppo+dream (drawn towards the dreaming actor), dreamer (the dreaming actor), "
        "off-policy (the pilot, learned from a replay of all that was played)",
    )
    lessons: int = _setting(
        0,
        "OFF_POLICY_LESSONS",
        "Decisions of the kiter in the arena that off-policy also learns from, kept with its state; 0: none",
        ge=0,
        le=50_000,
    )
    use_dream_training: bool | None = _setting(
        None,
        "USE_DREAM_TRAINING",
        "Train a world model and an actor inside it. Unset: where the actor acts or is followed (ppo+dream, dreamer), "
        "and for workers' policies; 1: also beside a policy that plays by ppo alone; 0: no actor",
    )
    device: LearnerDevice = _setting(
        "auto", "LEARNER_DEVICE", "Where world model and dreams learn: auto (the card where it is faster), cpu, cuda"
    )
    horizon: int = _setting(15, "DREAM_HORIZON", "Steps of a dream", ge=1, le=64)
    starts: int = _setting(256, "DREAM_STARTS", "Dreams of one training step; 0: one from every state", ge=0, le=65536)
    gamma: float = _setting(0.997, "DREAM_GAMMA", "Discount of a dream's rewards", gt=0.0, lt=1.0)
    actor_lr: float = _setting(2e-4, "DREAM_ACTOR_LR", "Learning rate of the dreaming actor", gt=0.0, le=0.1)
    distill_coef: float = _setting(
        0.1, "DREAM_DISTILL_COEF", "How strongly ppo+dream follows the dreaming actor", gt=0.0, le=10.0
    )
    action_noise: float = _setting(0.0, "DREAM_ACTION_NOISE", "Noise on the axes of dreamt actions", ge=0.0, le=1.0)


class ActiveInferenceSettings(_Group):
    """Choosing by expected free energy; see `learning.active_inference`."""

    use_active_inference: bool = _setting(
        True,
        "USE_ACTIVE_INFERENCE",
        "Choose cards by expected free energy, once its model is good enough",
    )
    liking: str = _setting(
        ",".join(f"{x:g}" for x in WANTED.liking),
        "EFE_LIKING",
        "How outcomes are liked: reward of the minute after a card, worst first",
        pattern=r"^-?\d+(\.\d+)?(,-?\d+(\.\d+)?){5}$",
    )
    pref_weight: float = _setting(WANTED.weight, "EFE_PREF_WEIGHT", "Weight of what is liked", ge=0.0, le=100.0)
    pref_tau: float = _setting(WANTED.tau, "EFE_PREF_TAU", "Temperature of what is liked", gt=0.0, le=100.0)
    gain_weight: float = _setting(
        WANTED.gain_weight, "EFE_GAIN_WEIGHT", "Weight of what an outcome tells about later ones", ge=0.0, le=100.0
    )
    novelty_weight: float = _setting(
        WANTED.novelty_weight, "EFE_NOVELTY_WEIGHT", "Weight of what the ensemble disagrees about", ge=0.0, le=100.0
    )


class CausalSettings(_Group):
    """The scientist: what cards do, from choices that are left to chance; see `learning.causal`."""

    use_causal: bool = _setting(
        True, "USE_CAUSAL", "Learn from play what each card does, and let the cards be chosen with that"
    )
    horizon_s: float = _setting(
        5.0, "CAUSAL_HORIZON_S", "Seconds after a card over which changes of speed and health are measured", ge=1.0,
        le=60.0,
    )  # fmt: skip
    explore: bool = _setting(
        False,
        "CAUSAL_EXPLORE",
        "Leave a part of the cards to chance: effects are learned from it, it costs score",
    )


class LlmSettings(_Group):
    """Language models; see `planning.backend`."""

    backend: LlmBackend = _setting(
        "auto", "LLM_BACKEND",
        "Who answers for the planner: ollama, openai (any server of that API), builtin (no model), auto (an Ollama "
        "that runs, else builtin)",
    )  # fmt: skip
    model: str = _setting(
        "", "LLM_MODEL", "The model's name; where empty Ollama's smallest, another server's first", max_length=200
    )
    base_url: str = _setting(
        "",
        "LLM_BASE_URL",
        "The server's address; Ollama's own where empty, openai needs one, with its /v1",
        max_length=500,
    )
    api_key: SecretStr = _setting(SecretStr(""), "LLM_API_KEY", "Sent to the server as a bearer token where given")
    temperature: float = _setting(0.2, "LLM_TEMPERATURE", "Temperature of a model's answers", ge=0.0, le=2.0)
    max_tokens: int = _setting(256, "LLM_MAX_TOKENS", "Most tokens of an answer", ge=16, le=4096)
    timeout_s: float = _setting(
        10.0, "LLM_TIMEOUT_S", "Seconds that an answer may take; half of them without a byte", ge=0.5, le=60.0
    )
    auto_merge: bool = _setting(
        True, "LLM_AUTO_MERGE", "Let a model propose three in ten of the weights that a search of `merge` tries"
    )
    skill_composer: bool = _setting(
        True, "USE_LLM_SKILL_COMPOSER", "Let a model propose the scales that `skills compose` measures"
    )
    skill_select_all: bool = _setting(
        True, "LLM_SKILL_SELECT_ALL", "Where `skills compose` names no skills, all are proposed to the model"
    )
    pbt_weights: bool = _setting(
        True,
        "USE_LLM_PBT_WEIGHTS",
        "Let a model propose three in ten of the hyper-parameters that a `population` changes",
    )


class PlannerSettings(_Group):
    """The planner; see `planning.planner`."""

    use_sima2: bool = _setting(True, "USE_SIMA2", "Plan beside play: name subgoals for the goal")
    goal: str = _setting("Survive 20 minutes", "SIMA2_GOAL", "The goal, in words", min_length=1, max_length=200)
    safety: bool = _setting(
        False, "USE_SAFETY", "In play, safety may change actions: at the map's edge, beside a boss, spammed buttons"
    )
    use_skills: bool = _setting(
        True,
        "SIMA2_USE_SKILLS",
        "Where the policy does not learn, swap in the skills of what is carried, who plays and what is pursued",
    )
    skill_db_path: str = _setting(
        "./skill_vectors", "SKILL_DB_PATH", "Folder of your own skills, beside those that come with the program"
    )
    log: bool = _setting(False, "SIMA2_LOG", "Write every plan and subgoal, with its reason, to the log too")


class MotorSettings(_Group):
    """A motor's learning in play; see `learning.cpqe.play`."""

    push_rollouts: bool = _setting(
        False, "SIMA2_PUSH_ROLLOUTS", "Write down what a motor plays, for its learner; it then tries other chunks too"
    )
    train_cpqe: bool = _setting(True, "TRAIN_CPQE", "Train a motor on its rollouts; 0 only counts them")
    load_cpqe: bool = _setting(
        True, "SIMA2_LOAD_CPQE", "Let what a motor's learner made act in play; 0 only serves it to others"
    )


class MenuSettings(_Group):
    """Going through menus; see `planning.menus`."""

    use_vlm_menu: bool = _setting(
        True, "USE_VLM_MENU", "Go through menus by their pictures, where a goal is set or the policy does not get on"
    )
    goal: str = _setting(
        "", "MENU_GOAL", "What to reach in menus, in words, such as Start Tier 3 run with Calcium", max_length=200
    )
    model: str = _setting(
        "",
        "VLM_MENU_MODEL",
        "Vision model of Ollama that chooses in menus; where empty the builtin chooser",
        max_length=200,
    )
    allow: str = _setting(
        "",
        "MENU_ALLOW",
        "What may be pressed although it is refused: names of groups or texts, with commas",
        max_length=500,
    )
    click_xy: bool = _setting(False, "MENU_CLICK_XY", "The vision model may name points, not only elements")


class Settings(_Group):
    """All settings, in groups; a TOML file has one table a group."""

    general: GeneralSettings = GeneralSettings()
    recording: RecordingSettings = RecordingSettings()
    link: LinkSettings = LinkSettings()
    dreams: DreamSettings = DreamSettings()
    active_inference: ActiveInferenceSettings = ActiveInferenceSettings()
    causal: CausalSettings = CausalSettings()
    llm: LlmSettings = LlmSettings()
    planner: PlannerSettings = PlannerSettings()
    motor: MotorSettings = MotorSettings()
    menus: MenuSettings = MenuSettings()


def fields() -> Iterator[tuple[str, str, FieldInfo]]:
    """Every setting as (group, name, field)."""
    for group, info in Settings.model_fields.items():
        assert info.annotation is not None
        for name, field in info.annotation.model_fields.items():
            yield group, name, field


def env_name(field: FieldInfo) -> str:
    """The environment variable of a field."""
    assert isinstance(field.json_schema_extra, dict)
    return str(field.json_schema_extra["env"])


def load_settings(config: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read all settings once; the environment goes before the file.

    config: a TOML file, or None for `metabonk.toml` where it exists. Raises SettingsError naming the source, the
    value and the remedy.
    """
    values: dict[tuple[str, str], tuple[object, str]] = {}
    _read_toml(config, values)
    _read_environment(environ, values)
    return _build(values)


def _build(values: Mapping[tuple[str, str], tuple[object, str]]) -> Settings:
    groups: dict[str, dict[str, object]] = {}
    for (group, name), (value, _) in values.items():
        groups.setdefault(group, {})[name] = value
    try:
        return Settings.model_validate(groups)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = (str(first["loc"][0]), str(first["loc"][-1]))
        value, source = values.get(where, ("", ".".join(map(str, first["loc"]))))
        shown = "" if isinstance(value, SecretStr) else f" = {_short(value)}"
        raise SettingsError(f"{source}{shown}: {first['msg'].removeprefix('Value error, ')}") from error


def _short(value: object) -> str:
    """A value as a message shows it: what is longer than a line is cut."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _read_toml(config: Path | None, values: dict[tuple[str, str], tuple[object, str]]) -> None:
    path = config or DEFAULT_FILE
    if config is None and not path.is_file():
        return
    try:
        document = read_toml(path)
    except FileNotFoundError as error:
        raise SettingsError(f"--config {path}: no such file") from error
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: {error}") from error
    known = {(group, name): field for group, name, field in fields()}
    for group, table in document.items():
        if group not in Settings.model_fields or not isinstance(table, dict):
            raise SettingsError(
                f"{path}: [{group}] is not a group of settings{did_you_mean(group, Settings.model_fields)}"
            )
        for name, value in table.items():
            if (group, name) not in known:
                names = [n for g, n in known if g == group]
                raise SettingsError(f"{path}: {group}.{name} is not a setting{did_you_mean(name, names)}")
            secret = known[group, name].annotation is SecretStr and isinstance(value, str)
            values[group, name] = (SecretStr(value) if secret else value, f"{path}: {group}.{name}")


def _read_environment(environ: Mapping[str, str], values: dict[tuple[str, str], tuple[object, str]]) -> None:
    known = {env_name(field): (group, name, field) for group, name, field in fields()}
    for variable, text in environ.items():
        if not variable.startswith(PREFIX):
            continue
        if variable in known:
            group, name, field = known[variable]
            values[group, name] = (_parse(variable, text, field), variable)
        else:
            raise SettingsError(f"{variable} is not a setting{did_you_mean(variable, known)}")


def _parse(variable: str, text: str, field: FieldInfo) -> object:
    text = text.strip()  # a file of variables with Windows' line ends leaves a carriage return
    if field.annotation in (bool, bool | None):
        if text.lower() not in _TRUE | _FALSE:
            raise SettingsError(f"{variable}={_short(text)}: write 1, 0, true or false")
        return text.lower() in _TRUE
    if field.annotation is int:
        try:
            return int(text)
        except ValueError as error:
            raise SettingsError(f"{variable}={_short(text)}: a whole number is needed") from error
    if field.annotation is float:
        try:
            return float(text)
        except ValueError as error:
            raise SettingsError(f"{variable}={_short(text)}: a number is needed") from error
    return SecretStr(text) if field.annotation is SecretStr else text


def settings_table() -> str:
    """The settings as a Markdown table, for the documentation."""
    rows = ["| setting | TOML | default | what it does |", "|---|---|---|---|"]
    for group, name, field in fields():
        default = field.default
        shown = (
            ""
            if default is None or isinstance(default, SecretStr)
            else str(int(default) if isinstance(default, bool) else default)
        )
        rows.append(f"| `{env_name(field)}` | `{group}.{name}` | {shown} | {field.description} |")
    return "\n".join(rows)
