"""Configurations of everything that learns: each default stands here once, or in the settings where a user may set it.

They travel between processes as these structs; a name that a struct does not know is refused. Imports no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec

from agent.core.choices import WANTED, Preferences
from agent.core.errors import SettingsError
from agent.core.settings import DreamSettings, LearnerDevice, ServedPolicy, Settings
from agent.models.sizes import FLAT_KIND, FRAME_KIND, SMALL_PX, CpqeSizes, FlatSizes, FrameSizes, PilotSizes

if TYPE_CHECKING:
    from agent.core.rollout import ActionSpec

Schedule = Literal["linear", "cosine", "constant"]
"""How the learning rate falls: to 0 in a straight line or as half a cosine, or not at all."""
PolicyKind = Literal["flat", "frame", "pilot", "dreamer", "motor"]
OFF_POLICY: Final = "off-policy"
"""Served by the learner of `learning.off_policy`."""
FLAT: Final = "flat"
FRAME: Final = "frame"
PILOT: Final = "pilot"
DREAMER: Final = "dreamer"
MOTOR: Final = "motor"
MAX_VERSIONS_OLD: Final = 8
"""Rollouts of weights that are older than so many versions are not learned from."""
MIN_HELD: Final = 128
"""Held-out choices of which the outcome must be known before a model of outcomes may choose."""
REPLAY_ROWS: Final = 100_000
REPLAY_BYTES: Final = 256 << 20
MIN_REPLAY_ROWS: Final = 1024
_DREAMS: Final = DreamSettings()


class PPOConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hyper-parameters; lr falls over `anneal_updates` by `schedule`, 0 for never. length: steps of a sequence.

    Over the first `warm_updates` lr rises linearly, 0 for whole at once: Adam's first steps are as long as lr whatever
    the gradient (Ma & Yarats 2021), and at a high lr push rectified units below zero on every input, where no gradient
    brings them back (the dormant units of Sokar et al. 2023).
    clip_value: values may move by `clip` from the behaviour's. What moved further still counts where that is the
    larger error (`larger_value`, CleanRL's loss), or no more (stable-baselines3's, where half `value_weight` is its
    vf_coef).
    """

    lr: float = 2.5e-4
    schedule: Schedule = "linear"
    anneal_updates: int = 0
    warm_updates: int = 0
    gamma: float = 0.99
    lam: float = 0.95
    epochs: int = 4
    minibatches: int = 4
    length: int = 16
    clip: float = 0.2
    clip_value: bool = True
    larger_value: bool = True
    value_weight: float = 0.5
    entropy_weight: float = 0.01
    max_grad: float = 0.5
    target_kl: float = 0.0


class WorldModelConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a world model is trained. `proceed_weight` 0 is the control without continuation."""

    batch: int = 16
    length: int = 64
    lr: float = 4e-5
    warm_up: int = 1000
    clip: float = 0.3
    free_nats: float = 1.0
    dyn_weight: float = 1.0
    rep_weight: float = 0.1
    proceed_weight: float = 1.0
    steps_per_update: int = 4
    capacity: int = 200_000
    context: int = 8
    samples: int = 16
    seed: int = 0


class DreamConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How dreams are dreamt. starts 0: from all posterior states; use_proceed False is the control that ignores death;
    shuffle_rewards True is the control that is told of other states' outcomes: rewards and ends, imagined and replayed.
    """

    horizon: int = _DREAMS.horizon
    starts: int = 0
    gamma: float = _DREAMS.gamma
    lam: float = 0.95
    lr: float = 4e-5
    warm_up: int = 1000
    clip: float = 0.3
    entropy: float = 3e-4
    action_noise: float = _DREAMS.action_noise
    slow_rate: float = 0.02
    slow_weight: float = 1.0
    replay_value_weight: float = 0.3
    range_rate: float = 0.01
    units: int = 256
    layers: int = 3
    use_proceed: bool = True
    shuffle_rewards: bool = False


class ActiveInferenceConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How outcomes are learnt, and what is wanted of them.

    hold_out: every so-manyth episode is not learned from but measured on, 0: none. min_choices: of which the outcome
    must be known before the first step; min_held: of the held-out ones, before the model is offered to play.
    """

    preferences: Preferences
    lr: float = 5e-3
    batch: int = 256
    max_length: int = 32
    steps_per_update: int = 8
    episodes: int = 5000
    habit_temperature: float = 0.1
    habit_batch: int = 8
    bootstrap: float = 0.8
    weight_decay: float = 0.0
    hold_out: int = 0
    min_choices: int = 0
    min_held: int = MIN_HELD
    seed: int = 0


class CpqeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a motor's chunks are learned; see `learning.cpqe`.

    backup: decisions whose rewards a critic's target sums before it asks for the value of what follows. gamma: a
    decision. value_share: the quantile of the critics that the value settles at. lr falls to its share `last_lr` over
    the training. by_value: the student leans to what the critics' mean prefers; anchor: weight of its squared distance
    from the flow's chunk against that. euler: steps of the flow for the student. max_known: actions of a chunk that
    may be certain beforehand, drawn evenly. tau: share of the critics that their targets take up in each step. doubt:
    weight of what each critic is told of drawn chunks, a number of its own, so that they differ on what nobody played.
    """

    lr: float = 1e-3
    last_lr: float = 0.1
    weight_decay: float = 1e-2
    clip: float = 10.0
    warm_up: int = 200
    batch: int = 256
    gamma: float = 0.99
    backup: int = 25
    value_share: float = 0.9
    by_value: bool = False
    anchor: float = 100.0
    euler: int = 8
    max_known: int = 4
    tau: float = 0.005
    doubt: float = 0.5
    teacher_hidden: int = 384
    seed: int = 0


class MotorInPlay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether a motor learns from what it plays, and how.

    pushes: its rollouts are written down; trains: they are learned from; loads: what was learned acts.
    min_chunks: of play, before there is an update. rest: updates of flow and value before critics and student move;
    a motor's file holds neither flow nor value. temperature: of what a chunk gained, in spreads of gains: the flow
    imitates chunks the more, the more they gained. replay_bytes: of chunks that are kept, the newest.
    """

    pushes: bool = False
    trains: bool = True
    loads: bool = True
    cpqe: CpqeConfig = CpqeConfig(lr=2e-4, last_lr=1.0, warm_up=100, batch=128)
    updates_per_decision: float = 0.05
    min_chunks: int = 1024
    rest: int = 300
    temperature: float = 0.7
    replay_bytes: int = 96 << 20


class OffPolicyConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a learner for play uses its replay.

    length: decisions of a window; a batch has `windows` from play, and as many from lessons where there are some.
    candidates: actions of the policy whose mean value an action is compared with. temperature: of what it gains, in
    spreads of gains. sync_every: updates after which the policy that is compared with is the newest. policy_weight: of
    imitating what gained; trust_weight: of the divergence from the policy that is compared with. prior_weight,
    clone_weight: of the divergence from the weights at the beginning, and of imitating the lessons; both are halved at
    `evidence` decisions, fall to a third at twice as many, and so on. The actor rests until the critics explain
    `min_explained` of the returns of finished episodes.
    """

    lr: float = 3e-4
    critic_lr: float = 5e-4
    gamma: float = 0.9995
    lam: float = 0.9
    length: int = 8
    windows: int = 16
    updates_per_decision: float = 0.15
    members: int = 5
    hidden: int = 128
    target_rate: float = 0.05
    candidates: int = 8
    temperature: float = 0.7
    sync_every: int = 50
    policy_weight: float = 0.3
    trust_weight: float = 0.5
    prior_weight: float = 0.0
    clone_weight: float = 1.0
    evidence: int = 40_000
    min_explained: float = 0.3
    min_decisions: int = 4_000
    max_grad: float = 10.0
    replay_bytes: int = 192 << 20
    seed: int = 0


STRETCH: Final = 128
"""Steps that training plays of each copy of an environment before it learns from them."""
VECTOR_CONFIG: Final = PPOConfig(length=STRETCH)
PICTURE_CONFIG: Final = PPOConfig(length=STRETCH, clip=0.1)
SMALL_PICTURE_CONFIG: Final = PPOConfig(lr=3e-3, warm_updates=10, length=STRETCH, larger_value=False, value_weight=1.0)
PILOT_PPO: Final = PPOConfig(
    lr=3e-5, gamma=0.998, epochs=2, length=32, clip=0.15, clip_value=False, value_weight=0.25, entropy_weight=5e-4,
    target_kl=0.02,
)  # fmt: skip
"""A pilot learns on in small steps: what it has is worth more than what one rollout says."""


def dreams_in_play(settings: DreamSettings) -> DreamConfig:
    """How dreams are dreamt beside the play of games: small networks, quickly warm."""
    return DreamConfig(
        horizon=settings.horizon, starts=settings.starts, gamma=settings.gamma, lr=settings.actor_lr,
        action_noise=settings.action_noise, warm_up=100, units=128, layers=2,
    )  # fmt: skip


class Budget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one rollout may cost each part, and which parts there are.

    device: where the world model learns; "auto" and "cuda" are measured first, so only a session's settings ask for it.
    ppo: of policies of environments; pilot: of a pilot. dreams_beside_ppo: world model and dreams also learn beside a
    policy that plays and does not follow them. lessons: decisions of the kiter that the learner for play
    begins with.
    """

    ppo: PPOConfig = PPOConfig()
    pilot: PPOConfig = PILOT_PPO
    world_steps: int = 4
    dreamer_steps: int = 16
    world_batch: int = 16
    world_length: int = 32
    world_lr: float = 4e-4
    use_world: bool = True
    use_dreams: bool = True
    dreams_beside_ppo: bool = bool(_DREAMS.use_dream_training)
    served: ServedPolicy = _DREAMS.served_policy
    distill_coef: float = _DREAMS.distill_coef
    device: LearnerDevice = "cpu"
    use_active_inference: bool = True
    preferences: Preferences = WANTED
    dream: DreamConfig = dreams_in_play(_DREAMS)
    off_policy: OffPolicyConfig = OffPolicyConfig()
    lessons: int = _DREAMS.lessons
    motor: MotorInPlay = MotorInPlay()


class PolicySpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What must be known to build the learners of a policy. `sizes` says where cards lie, None in flat observations.

    paid_by: the label of the reward table of its play, empty where its games have rewards of their own. plays: it is
    the policy that plays in this session, not a worker's.
    """

    name: str
    kind: PolicyKind = FLAT
    features: int = 0
    continuous: int = 0
    branches: tuple[int, ...] = ()
    sizes: PilotSizes | None = None
    flat: FlatSizes | None = None
    frame: FrameSizes | None = None
    motor: CpqeSizes | None = None
    seed: int = 0
    paid_by: str = ""
    plays: bool = False


def learns_from_play(kind: str, budget: Budget) -> bool:
    """True where a policy of this kind, which can, is to write down what it plays."""
    return kind != MOTOR or budget.motor.pushes


def is_off_policy(kind: str, budget: Budget) -> bool:
    """True where rollouts of any age are learned from."""
    return budget.motor.pushes if kind == MOTOR else replays(kind, budget)


def replays(kind: str, budget: Budget) -> bool:
    """True where the learner for play serves; a replay of whole pictures would hold too few of them."""
    return budget.served == OFF_POLICY and kind in (FLAT, FLAT_KIND, PILOT)


def replay_rows(features: int, width: int) -> int:
    """Rows of a replay: observations of so many features, and actions of so many numbers with a mask, have room."""
    row_bytes = max(4 * features, 5 * width, 1)
    return max(MIN_REPLAY_ROWS, min(REPLAY_ROWS, REPLAY_BYTES // row_bytes))


def spec_of(
    name: str, kind: str, features: int, spec: ActionSpec, sizes: FlatSizes | FrameSizes | CpqeSizes | None, seed: int,
    *, paid_by: str = "",
) -> PolicySpec:  # fmt: skip
    """The outline of a policy that plays; kind: as its manifest says it, sizes: those that its weights bring."""
    kinds = {FLAT_KIND: FLAT, FRAME_KIND: FRAME}
    return PolicySpec(
        name=name, kind=msgspec.convert(kinds.get(kind, kind), PolicyKind), features=features,
        continuous=spec.continuous, branches=spec.branches, flat=sizes if isinstance(sizes, FlatSizes) else None,
        frame=sizes if isinstance(sizes, FrameSizes) else None,
        motor=sizes if isinstance(sizes, CpqeSizes) else None, seed=seed,
        paid_by=paid_by if kind in (PILOT, DREAMER, MOTOR) else "", plays=True,
    )  # fmt: skip


def ppo_config(kind: str, frame: FrameSizes | None, budget: Budget) -> PPOConfig:
    """How PPO learns on a policy of this kind in play; training adds its schedule."""
    if kind == PILOT:
        return budget.pilot
    return budget.ppo if frame is None else picture_config(frame)


def picture_config(frame: FrameSizes) -> PPOConfig:
    """For pictures, by their size."""
    return SMALL_PICTURE_CONFIG if min(frame.height, frame.width) < SMALL_PX else PICTURE_CONFIG


def describe_ppo(config: PPOConfig) -> str:
    """The hyper-parameters in one line."""
    way = {"linear": "falling to 0", "cosine": "falling to 0 as a cosine"}.get(config.schedule)
    falls = f" {way} over {config.anneal_updates} updates" if config.anneal_updates and way else ""
    return (
        f"PPO with lr {config.lr:g}{falls}, gamma {config.gamma:g}, lambda {config.lam:g}, clip {config.clip:g}, "
        f"{config.epochs} epochs of {config.minibatches} minibatches, entropy weight {config.entropy_weight:g}"
    )


def describe_off_policy(config: OffPolicyConfig) -> str:
    """The hyper-parameters of the learner for play in one line."""
    return (
        f"off policy from a replay, {config.updates_per_decision:g} updates a decision with lr {config.lr:g}, "
        f"{config.members} critics with gamma {config.gamma:g}, {config.windows} stretches of {config.length}"
    )


def describe_dreams(budget: Budget) -> str:
    """The hyper-parameters of world model and dreams in one line."""
    dream = budget.dream
    return (
        f"world model with lr {budget.world_lr:g}, {budget.world_batch} stretches of {budget.world_length}; dreams of "
        f"{dream.horizon} steps with lr {dream.lr:g}, gamma {dream.gamma:g}"
    )


def describe_motor(motor: MotorInPlay) -> str:
    """How a motor learns in play, in one line."""
    if not motor.trains:
        return "nothing: its rollouts are only counted (METABONK_TRAIN_CPQE=0)"
    acts = "" if motor.loads else "; what is learned does not act (METABONK_SIMA2_LOAD_CPQE=0)"
    c = motor.cpqe
    return (
        f"CPQE from a replay, {motor.updates_per_decision:g} updates a decision with lr {c.lr:g}, critics that look "
        f"{c.backup} decisions ahead with gamma {c.gamma:g}{acts}"
    )


def describe_learning(kind: str, sizes: FlatSizes | FrameSizes | CpqeSizes | None, budget: Budget) -> str:
    """How a policy that plays learns, in one line."""
    if kind == MOTOR:
        return describe_motor(budget.motor)
    if kind == DREAMER:
        return describe_dreams(budget)
    if replays(kind, budget):
        return describe_off_policy(budget.off_policy)
    return describe_ppo(ppo_config(kind, sizes if isinstance(sizes, FrameSizes) else None, budget))


def preferences(settings: Settings) -> Preferences:
    """What is wanted of choices, from the settings."""
    chooser = settings.active_inference
    liking = tuple(float(part) for part in chooser.liking.split(","))
    return Preferences(
        liking, weight=chooser.pref_weight, tau=chooser.pref_tau, gain_weight=chooser.gain_weight,
        novelty_weight=chooser.novelty_weight,
    )  # fmt: skip


def learner_budget(settings: Settings) -> Budget:
    """What a rollout may cost its learners; raises SettingsError where the settings contradict each other."""
    dreams = settings.dreams
    has_actor = dreams.use_dream_training is not False
    if dreams.served_policy not in ("ppo", OFF_POLICY) and not has_actor:
        raise SettingsError(
            f"METABONK_SERVED_POLICY={dreams.served_policy} needs dreams; set METABONK_USE_DREAM_TRAINING=1"
        )
    return Budget(
        use_active_inference=settings.active_inference.use_active_inference, preferences=preferences(settings),
        use_dreams=has_actor and dreams.served_policy != OFF_POLICY,
        dreams_beside_ppo=bool(dreams.use_dream_training),
        lessons=dreams.lessons, use_world=dreams.served_policy != OFF_POLICY,
        served=dreams.served_policy, distill_coef=dreams.distill_coef,
        device=dreams.device, dream=dreams_in_play(dreams),
        motor=MotorInPlay(
            pushes=settings.motor.push_rollouts, trains=settings.motor.train_cpqe, loads=settings.motor.load_cpqe
        ),
    )  # fmt: skip
