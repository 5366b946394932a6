"""Expected free energy against a maze whose beliefs are exact, choices out of rollouts, and a maze that is learned."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from agent.core.choices import ChoiceLayout, Preferences
from agent.core.rollout import Rollout
from agent.learning.active_inference.choice_batch import beliefs, padded
from agent.learning.active_inference.choices import ChoiceStream, choices_of
from agent.learning.active_inference.free_energy import FreeEnergy, free_energy
from agent.learning.active_inference.learner import ActiveInferenceLearner
from agent.learning.configs import ActiveInferenceConfig
from agent.models.outcome_model import OutcomeModel
from agent.models.sizes import OutcomeSizes
from tools.bench.learning import _tmaze as maze
from tools.bench.learning import f1_tmaze

CUE_SAYS = torch.tensor([[maze.VALIDITY, 1 - maze.VALIDITY], [1 - maze.VALIDITY, maze.VALIDITY]])


class ExactMaze(OutcomeModel):
    """The maze's own probabilities; the belief is the chance that the prize lies left."""

    def __init__(self) -> None:
        super().__init__(OutcomeSizes(option=maze.ACTIONS, outcomes=maze.OUTCOMES))

    def predict(self, belief: Any, option: Any, context: Any) -> Any:
        p = torch.zeros(len(belief), maze.OUTCOMES)
        left, action = belief[:, 0], option.argmax(-1)
        p[action == maze.WAIT, maze.NOTHING] = 1.0
        cue = left.unsqueeze(1) * CUE_SAYS[0] + (1 - left.unsqueeze(1)) * CUE_SAYS[1]
        p[:, maze.CUE_LEFT : maze.CUE_RIGHT + 1] = torch.where((action == maze.CUE).unsqueeze(1), cue, 0.0)
        for arm, chance in ((maze.LEFT, left), (maze.RIGHT, 1 - left)):
            p[:, maze.WON] = torch.where(action == arm, chance, p[:, maze.WON])
            p[:, maze.LOST] = torch.where(action == arm, 1 - chance, p[:, maze.LOST])
        p[action == maze.WATCH, maze.PICTURE :] = 1.0 / maze.PICTURES
        ends = torch.full_like(p, -30.0)
        ends[:, [maze.WON, maze.LOST]] = 30.0
        return p.clamp_min(1e-30).log().unsqueeze(0), ends

    def step(self, belief: Any, option: Any, outcome: Any, context: Any) -> Any:
        left, seen = belief[:, 0], outcome.argmax(-1)
        for k, cue in enumerate((maze.CUE_LEFT, maze.CUE_RIGHT)):
            updated = left * CUE_SAYS[0, k] / (left * CUE_SAYS[0, k] + (1 - left) * CUE_SAYS[1, k])
            left = torch.where(seen == cue, updated, left)
        return left.unsqueeze(1)


def plan(wanted: Preferences, left: float = 0.5) -> FreeEnergy:
    model: Any = ExactMaze()
    options = torch.eye(maze.ACTIONS).unsqueeze(0)
    allowed = torch.ones(1, maze.ACTIONS, dtype=torch.bool)
    return free_energy(model, torch.tensor([[left]]), options, allowed, torch.zeros(1, 0), wanted)


def test_the_gain_of_a_cue_is_its_mutual_information_with_the_prize_and_of_noise_is_nothing() -> None:
    result = plan(Preferences(maze.LIKING))
    noise = -sum(v * math.log(v) for v in (maze.VALIDITY, 1 - maze.VALIDITY))
    assert float(result.gain[0, maze.CUE]) == pytest.approx(math.log(2) - noise, abs=1e-4)
    assert result.gain[0, [maze.WAIT, maze.WATCH, maze.LEFT]].abs().max() < 1e-5
    assert float(result.ambiguity[0, maze.WATCH]) == pytest.approx(math.log(maze.PICTURES), abs=1e-4)
    assert float(result.ambiguity[0, maze.WAIT]) == pytest.approx(0.0, abs=1e-4)
    known = plan(Preferences(maze.LIKING), left=1.0)
    assert float(known.gain[0, maze.CUE]) < 1e-4


def test_free_energy_is_utility_and_gain_by_hand() -> None:
    result = plan(Preferences(maze.LIKING, gain_weight=0.3, novelty_weight=0.0))
    arm = 0.5 * maze.PRIZE + 0.5 * maze.LOSS
    gain = float(result.gain[0, maze.CUE])
    assert float(result.energy[0, maze.LEFT]) == pytest.approx(-arm, abs=1e-4)
    assert float(result.energy[0, maze.CUE]) == pytest.approx(-(maze.COST + arm + 0.3 * gain), abs=1e-4)
    assert float(result.energy[0, maze.WATCH]) == pytest.approx(-(maze.COST + arm), abs=1e-4)
    tau = plan(Preferences(maze.LIKING, weight=3.0, tau=2.0, gain_weight=0.0, novelty_weight=0.0))
    assert float(tau.energy[0, maze.LEFT]) == pytest.approx(-1.5 * arm, abs=1e-4)


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        (Preferences(maze.LIKING, gain_weight=0.3), {maze.CUE}),
        (Preferences(maze.LIKING, gain_weight=0.0), {maze.LEFT, maze.RIGHT}),
        (Preferences(maze.LIKING, gain_weight=0.0, closed_loop=True), {maze.CUE}),
        (Preferences(maze.LIKING, gain_weight=0.0, entropy_weight=1.0), {maze.WATCH}),
    ],
)
def test_only_those_who_seek_what_matters_or_plan_in_closed_loop_ask_the_cue(
    wanted: Preferences, chosen: set[int]
) -> None:
    assert int(plan(wanted).energy.argmin()) in chosen


def test_risk_is_the_divergence_from_what_is_wanted_and_a_forbidden_option_is_never_least() -> None:
    result = plan(Preferences(maze.LIKING))
    wanted = torch.log_softmax(torch.tensor(maze.LIKING), -1)
    expected = 0.5 * (math.log(0.5) * 2 - float(wanted[maze.WON] + wanted[maze.LOST]))
    assert float(result.risk[0, maze.LEFT]) == pytest.approx(expected, abs=1e-4)
    assert (result.risk >= 0).all()
    model: Any = ExactMaze()
    allowed = torch.tensor([[True, False, True, False, False]])
    forbidden = free_energy(
        model, torch.tensor([[0.5]]), torch.eye(5).unsqueeze(0), allowed, torch.zeros(1, 0), Preferences(maze.LIKING)
    )
    assert torch.isinf(forbidden.energy[0]).tolist() == [False, True, False, True, True]


LAYOUT = ChoiceLayout(
    branch=1, options=3, option_start=2, option_features=2, context=(0, 2), window=4, edges=(0.5, 2.5)
)


def rollout(seed: int, steps: int = 40) -> Rollout:
    """Cards at every eighth step; the reward after a card is the first feature of the one taken; episodes of 20."""
    rng = np.random.default_rng(seed)
    obs = np.zeros((steps, 8), np.float32)
    masks = np.zeros((steps, 5), np.bool_)
    masks[:, 0] = masks[:, 2] = True
    picks = np.zeros((steps, 2), np.int64)
    rewards = np.zeros(steps, np.float32)
    for t in range(0, steps, 8):
        obs[t, 2:] = rng.integers(0, 2, 6)
        masks[t, 2:] = True
        picks[t, 1] = rng.integers(3)
        rewards[t + 1] = obs[t, 2 + 2 * picks[t, 1]]
    end = np.zeros(steps, np.bool_)
    end[19::20] = True
    return Rollout(
        instance="a", policy="p", policy_version=0, obs=obs, actions_cont=np.zeros((steps, 0), np.float32),
        actions_disc=picks, rewards=rewards, terminated=end, truncated=np.zeros(steps, np.bool_),
        is_first=np.concatenate([[True], end[:-1]]), elapsed_s=np.zeros(steps, np.float32),
        final_obs=np.zeros((int(end.sum()) + (0 if end[-1] else 1), 8), np.float32), action_masks=masks,
    )  # fmt: skip


def test_choices_are_the_steps_with_options_and_their_outcomes_the_rewards_after_them() -> None:
    data = rollout(0)
    first, second = choices_of(data, (2, 3), LAYOUT)
    assert len(first.picks) == 3 and len(second.picks) == 2
    for episode, rows in ((first, (0, 8, 16)), (second, (24, 32))):
        for k, t in enumerate(rows):
            taken = data.obs[t, 2 + 2 * data.actions_disc[t, 1]]
            assert episode.outcomes[k] == int(taken > 0.5) and episode.picks[k] == data.actions_disc[t, 1]
            assert np.array_equal(episode.options[k].ravel(), data.obs[t, 2:])
    assert first.ended.tolist() == [False, False, True] and second.ended.tolist() == [False, False]
    cut = msgspec.structs.replace(
        data, terminated=np.zeros(40, np.bool_), is_first=np.arange(40) == 0, final_obs=np.zeros((1, 8), np.float32)
    )
    assert len(choices_of(cut, (2, 3), msgspec.structs.replace(LAYOUT, window=20))[0].picks) == 3
    unpaid = msgspec.structs.replace(data, rewards=np.ones(40, np.float32), outcome_rewards=data.rewards)
    assert all(same(a, b) for a, b in zip(choices_of(unpaid, (2, 3), LAYOUT), (first, second), strict=True))


def learner(seed: int = 0) -> ActiveInferenceLearner:
    torch.manual_seed(seed)
    config = ActiveInferenceConfig(Preferences((0.0, 1.0, 2.0)), steps_per_update=12, batch=32, lr=1e-2)
    return ActiveInferenceLearner(OutcomeSizes(2, 3, 2, 16, 16), config, LAYOUT, (2, 3))


def test_cards_are_judged_by_what_they_show_and_every_report_has_every_name() -> None:
    mind = learner()
    wanted = {"efe_policy_loss", "efe_risk", "efe_ambiguity", "efe_information_gain", "efe_disagreement"}
    losses = []
    for push in range(30):
        report = mind.update(rollout(push))
        assert wanted <= report.keys() and all(math.isfinite(v) for v in report.values())
        losses.append(report["efe_policy_loss"])
    assert losses[-1] < losses[0]
    options = np.array([[[0, 1], [1, 0], [0, 0]], [[1, 1], [0, 1], [0, 0]]], np.float32)
    picks, _ = mind.choose(mind.model.initial(2), options, np.ones((2, 3), np.bool_), np.zeros((2, 2), np.float32))
    assert picks.tolist() == [1, 0]
    empty = msgspec.structs.replace(
        rollout(0), obs=np.zeros((40, 8), np.float32), action_masks=np.tile([True, False, True, False, False], (40, 1))
    )
    assert mind.update(empty)["efe_choices"] == 0.0


def test_a_learner_is_restored_and_refuses_preferences_that_do_not_fit() -> None:
    mind, other = learner(0), learner(1)
    mind.update(rollout(0))
    saved = {k: v.clone() for k, v in mind.tensors().items()}
    other.load_tensors(saved)
    assert all(torch.equal(v, saved[k]) for k, v in other.tensors().items())
    with pytest.raises(ValueError, match="3 preferences for 4 outcomes"):
        ActiveInferenceLearner(OutcomeSizes(2, 4), mind.config)
    with pytest.raises(ValueError, match="ChoiceLayout"):
        ActiveInferenceLearner(OutcomeSizes(2, 3), mind.config).update(rollout(0))


@pytest.mark.campaign
@pytest.mark.timeout(1800)
def test_a_maze_learned_from_random_play_is_solved_by_asking_the_cue_and_not_by_the_controls() -> None:
    result = f1_tmaze.summarise([f1_tmaze.one_seed(0, True)], True)
    assert result["passed"], result["checks"]


def cut_in(data: Rollout, sizes: tuple[int, ...], *, lost: int = -1) -> list[Rollout]:
    """The same steps as several rollouts, without the one numbered `lost`."""
    parts, begin = [], 0
    for k, size in enumerate(sizes):
        rows = slice(begin, begin + size)
        ends = data.is_last[rows]
        final = [np.zeros(8, np.float32)] * int(ends.sum())
        if not ends[-1]:
            final.append(data.obs[begin + size] if begin + size < len(data) else np.zeros(8, np.float32))
        names = ("obs", "actions_cont", "actions_disc", "rewards", "terminated", "truncated", "is_first", "elapsed_s")
        fields = {name: getattr(data, name)[rows] for name in (*names, "action_masks")}
        if k != lost:
            parts.append(msgspec.structs.replace(data, **fields, final_obs=np.array(final, np.float32)))
        begin += size
    return parts


def same(a: Any, b: Any) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_episodes_are_joined_over_rollouts_and_a_gap_begins_another() -> None:
    data = rollout(5, 80)
    data.obs[:, 0] = np.arange(80)  # Every observation is its own, as in play.
    whole = choices_of(data, (2, 3), LAYOUT)
    stream = ChoiceStream((2, 3), LAYOUT)
    joined: dict[Any, Any] = {}
    for part in cut_in(data, (13, 17, 9, 41)):
        joined |= stream.add(part)
    assert len(whole) == len(joined) == 4 and all(same(a, b) for a, b in zip(whole, joined.values(), strict=True))
    gap = ChoiceStream((2, 3), LAYOUT)
    broken: dict[Any, Any] = {}
    for part in cut_in(data, (3, 6, 31, 40), lost=1):
        broken |= gap.add(part)
    assert [len(e.picks) for e in broken.values()] != [len(e.picks) for e in whole]
    assert len(broken) == 4 and not any(len(e.picks) == 3 and same(e, whole[0]) for e in broken.values())


def test_the_belief_before_a_choice_holds_only_outcomes_that_were_known() -> None:
    episode = choices_of(rollout(1), (2, 3), msgspec.structs.replace(LAYOUT, window=12))[0]
    assert episode.known.tolist() == [0, 0, 1]
    model = OutcomeModel(OutcomeSizes(2, 3, 2, 16, 16))
    before, _ = beliefs(model, padded([episode], 8, torch.device("cpu")))
    late = episode._replace(outcomes=(episode.outcomes + [0, 1, 1]) % 3)
    after, _ = beliefs(model, padded([late], 8, torch.device("cpu")))
    assert torch.equal(before, after) and not torch.equal(before[0, 0], before[0, 2])
    early = episode._replace(outcomes=(episode.outcomes + [1, 0, 0]) % 3)
    changed, _ = beliefs(model, padded([early], 8, torch.device("cpu")))
    assert torch.equal(before[0, 1], changed[0, 1]) and not torch.equal(before[0, 2], changed[0, 2])


def test_a_card_that_another_chose_is_still_a_choice() -> None:
    data = rollout(0)
    data.obs[::8, 2:] = 1.0
    masks = data.action_masks
    assert masks is not None
    alone = masks.copy()
    for t in range(0, 40, 8):
        alone[t, 2:] = np.arange(3) == data.actions_disc[t, 1]
    shown, chosen = (choices_of(msgspec.structs.replace(data, action_masks=m), (2, 3), LAYOUT) for m in (masks, alone))
    assert all(same(a, b) for a, b in zip(shown, chosen, strict=True)) and len(shown) == 2


def test_a_model_is_offered_once_it_beats_frequencies_and_then_only_when_better() -> None:
    torch.manual_seed(0)
    config = ActiveInferenceConfig(
        Preferences((0.0, 1.0, 2.0)), steps_per_update=12, batch=32, lr=1e-2, hold_out=3, min_held=20
    )
    mind = ActiveInferenceLearner(OutcomeSizes(2, 3, 2, 16, 16), config, LAYOUT, (2, 3))
    mind.update(rollout(0))
    assert mind.offer() is None, "before there are enough held-out choices"
    for push in range(1, 40):
        mind.update(rollout(push))
    offered = mind.offer()
    assert offered is not None
    tried, tensors = offered
    assert tried.loss < tried.frequencies and tried.loss < tried.any_option and tried.choices >= 20
    assert mind.offer() is None, "the same model is not better than itself"
    other = ActiveInferenceLearner(OutcomeSizes(2, 3, 2, 16, 16), config, LAYOUT, (2, 3))
    other.serve(tensors)
    assert all(torch.equal(t, tensors[n]) for n, t in other.model.state_dict().items())
    noise = np.random.default_rng(0)
    blind = ActiveInferenceLearner(OutcomeSizes(2, 3, 2, 16, 16), config, LAYOUT, (2, 3))
    for push in range(40):
        data = rollout(push)
        blind.update(msgspec.structs.replace(data, rewards=noise.permutation(data.rewards)))
    assert blind.offer() is None, "rewards that have nothing to do with cards"
