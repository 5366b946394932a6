"""What a level-up, a shrine or a chest offers, and what taking it does."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from agent.games.arena import stats as st
from agent.games.arena.catalog import STEP_FLAT, STEP_SHARE, WEAPON_STATS
from agent.games.arena.chance import below, uniform
from agent.games.arena.state import (
    BANISH,
    CHEST,
    ENCOUNTER,
    LEVEL_UP,
    OFFER_HEAL,
    OFFER_ITEM,
    OFFER_STAT,
    OFFER_TOME,
    OFFER_WEAPON,
    OFFER_WEAPON_NEW,
    PLAY,
    REROLL,
    SKIP,
    SLOTS,
)

_F = np.float32
RARITY_FACTOR = np.array([1.0, 1.2, 1.4, 1.6, 2.0], np.float32)
RARITY_WEIGHT = np.array([1.5, 0.3, 0.15, 0.04, 0.0085], np.float32)
ITEM_WEIGHT = np.array([0.70, 0.15, 0.06, 0.015], np.float32)
_SHARES = np.array([STEP_SHARE.get(name, 0.0) for name in WEAPON_STATS], np.float32)
_FLATS = np.array([STEP_FLAT.get(name, 0.0) for name in WEAPON_STATS], np.float32)
# Charge shrines: stat and its common value.
SHRINE_STAT = np.array(
    [st.MAX_HP, st.REGEN, st.SHIELD, st.THORNS, st.ARMOR, st.EVASION, st.SIZE, st.DURATION, st.PROJECTILE_SPEED,
     st.DAMAGE, st.ATTACK_SPEED, st.LIFESTEAL, st.CRIT_CHANCE, st.CRIT_DAMAGE, st.ELITE_DAMAGE, st.KNOCKBACK,
     st.MOVE_SPEED, st.JUMP_HEIGHT, st.LUCK, st.GOLD_GAIN, st.XP_GAIN, st.POWERUP_CHANCE],
    np.int32,
)  # fmt: skip
SHRINE_VALUE = np.array(
    [15, 20, 5, 5, 0.05, 0.05, 0.08, 0.08, 0.10, 0.12, 0.20, 0.06, 0.05, 0.10, 0.10, 0.10, 0.08, 0.10, 0.05, 0.075,
     0.075, 0.05],
    np.float32,
)  # fmt: skip
GREED_FACTOR, GREED_DIFFICULTY = _F(2.0), _F(0.08)
MAX_WEAPON_LEVEL = 40
MAX_TOME_LEVEL = 99


@njit(cache=True)
def roll_rarity(s: Any, weights: Any) -> int:
    """A rarity by weight; luck shifts weight towards the rare ones."""
    n = weights.shape[0]
    bonus = math.log(max(s.stats[st.LUCK], 0.0) + 1.0) * 1.5
    total = 0.0
    for i in range(n):
        total += weights[i] * 1.5 ** (-(n - i - 1) * bonus)
    at = uniform(s) * total
    for i in range(n):
        at -= weights[i] * 1.5 ** (-(n - i - 1) * bonus)
        if at < 0:
            return i
    return 0


@njit(cache=True)
def _owned(slots: Any, what: int) -> int:
    for k in range(SLOTS):
        if slots[k] == what:
            return k
    return -1


@njit(cache=True)
def _free(slots: Any, most: int) -> bool:
    for k in range(min(most, SLOTS)):
        if slots[k] < 0:
            return True
    return False


@njit(cache=True)
def _can_offer(s: Any, rules: Any, candidate: int) -> bool:
    """Candidates are numbered: weapons first, then tomes."""
    weapons = rules.weapons.shape[0]
    if candidate < weapons:
        slot = _owned(s.weapon, candidate)
        if s.banned_weapon[candidate]:
            return False
        return s.weapon_level[slot] < MAX_WEAPON_LEVEL if slot >= 0 else _free(s.weapon, int(rules.player[7]))
    tome = candidate - weapons
    slot = _owned(s.tome, tome)
    if s.banned_tome[tome]:
        return False
    return s.tome_level[slot] < MAX_TOME_LEVEL if slot >= 0 else _free(s.tome, int(rules.player[8]))


@njit(cache=True)
def _weight(s: Any, rules: Any, candidate: int) -> Any:
    """What is owned comes three times as often as what is new."""
    weapons = rules.weapons.shape[0]
    owned = _owned(s.weapon, candidate) if candidate < weapons else _owned(s.tome, candidate - weapons)
    return _F(3.0) if owned >= 0 else _F(1.0)


@njit(cache=True)
def _set_offer(s: Any, rules: Any, card: int, candidate: int) -> None:
    weapons = rules.weapons.shape[0]
    s.offer_stat[card, :] = -1
    s.offer_value[card, :] = _F(0.0)
    rarity = roll_rarity(s, RARITY_WEIGHT)
    if candidate >= weapons:
        tome = candidate - weapons
        s.offer_kind[card], s.offer_id[card], s.offer_rarity[card] = OFFER_TOME, tome, rarity
        s.offer_stat[card, 0] = rules.tome_stat[tome]
        s.offer_value[card, 0] = rules.tome_value[tome] * RARITY_FACTOR[rarity]
        return
    if _owned(s.weapon, candidate) < 0:
        s.offer_kind[card], s.offer_id[card], s.offer_rarity[card] = OFFER_WEAPON_NEW, candidate, 0
        return
    s.offer_kind[card], s.offer_id[card], s.offer_rarity[card] = OFFER_WEAPON, candidate, rarity
    steps = 0
    while steps < 4 and rules.weapon_steps[candidate, steps] >= 0:
        steps += 1
    first = below(s, steps)
    changes = 2 if rarity > 0 or uniform(s) < _F(0.5) else 1
    for k in range(min(changes, steps)):
        stat = rules.weapon_steps[candidate, (first + k) % steps]
        base = rules.weapons[candidate, stat]
        value = (base * _SHARES[stat] + _FLATS[stat]) * RARITY_FACTOR[rarity]
        if stat == st.W_COUNT or stat == st.W_BOUNCES:
            value = _F(1.0) if rarity < 3 else _F(2.0)
        s.offer_stat[card, k] = stat
        s.offer_value[card, k] = value


@njit(cache=True)
def roll_cards(s: Any, rules: Any) -> None:
    """Fill the three cards with different candidates; with too few, the rest heal."""
    total = rules.weapons.shape[0] + rules.tome_stat.shape[0]
    taken = np.full(3, -1, np.int32)
    for card in range(3):
        sum_w = _F(0.0)
        for c in range(total):
            if _can_offer(s, rules, c) and c != taken[0] and c != taken[1]:
                sum_w += _weight(s, rules, c)
        if sum_w <= 0:
            s.offer_kind[card], s.offer_id[card], s.offer_rarity[card] = OFFER_HEAL, 0, 0
            s.offer_stat[card, :] = -1
            continue
        at = uniform(s) * sum_w
        chosen = -1
        for c in range(total):
            if _can_offer(s, rules, c) and c != taken[0] and c != taken[1]:
                chosen = c
                at -= _weight(s, rules, c)
                if at < 0:
                    break
        taken[card] = chosen
        _set_offer(s, rules, card, chosen)


@njit(cache=True)
def gain_xp(s: Any, rules: Any, value: float) -> None:
    """Add XP; every level reached waits for its cards."""
    amount = _F(value) * min(s.stats[st.XP_GAIN], _F(10.0))
    s.xp += amount
    s.level_xp += amount
    while s.level_xp >= s.next_xp:
        s.level_xp -= s.next_xp
        s.level += 1
        s.pending += 1
        s.next_xp = st.xp_for_level(s.level)
        st.recompute(s, rules)


@njit(cache=True)
def open_level_up(s: Any, rules: Any) -> None:
    """Pause for the cards of one waiting level."""
    s.pending -= 1
    roll_cards(s, rules)
    s.phase = LEVEL_UP


@njit(cache=True)
def open_shrine(s: Any, rules: Any, greed: bool) -> None:
    """Pause for the three offers of a shrine; those of greed are worth more and each raises the difficulty."""
    for card in range(3):
        k = below(s, SHRINE_STAT.shape[0])
        rarity = roll_rarity(s, RARITY_WEIGHT)
        s.offer_kind[card], s.offer_id[card], s.offer_rarity[card] = OFFER_STAT, SHRINE_STAT[k], rarity
        s.offer_stat[card, 0], s.offer_stat[card, 1] = SHRINE_STAT[k], -1
        s.offer_value[card, 0] = SHRINE_VALUE[k] * RARITY_FACTOR[rarity]
        if greed:
            s.offer_value[card, 0] *= GREED_FACTOR
            s.offer_stat[card, 1], s.offer_value[card, 1] = st.DIFFICULTY, GREED_DIFFICULTY
    s.phase = ENCOUNTER


@njit(cache=True)
def open_chest(s: Any, rules: Any) -> None:
    """Pause for the item of a chest."""
    rarity = roll_rarity(s, ITEM_WEIGHT)
    chosen, count = -1, 0
    for _ in range(2):
        for k in range(rules.item_rarity.shape[0]):
            if rules.item_rarity[k] == rarity and not s.banned_item[k]:
                count += 1
                if uniform(s) * _F(count) < _F(1.0):
                    chosen = k
        if chosen >= 0:
            break
        rarity = 0
    s.chest_item = max(chosen, 0)
    s.offer_kind[0], s.offer_id[0] = OFFER_ITEM, s.chest_item
    s.offer_rarity[0] = rules.item_rarity[s.chest_item]
    s.offer_stat[0, :] = -1
    s.phase = CHEST


@njit(cache=True)
def take(s: Any, rules: Any, card: int) -> None:
    """Apply one offer."""
    kind, what = s.offer_kind[card], s.offer_id[card]
    if kind == OFFER_WEAPON_NEW:
        st.give_weapon(s, rules, what)
    elif kind == OFFER_WEAPON:
        slot = _owned(s.weapon, what)
        s.weapon_level[slot] += 1
        for k in range(2):
            if s.offer_stat[card, k] >= 0:
                s.weapon_stats[slot, s.offer_stat[card, k]] += s.offer_value[card, k]
    elif kind == OFFER_TOME:
        slot = _owned(s.tome, what)
        if slot < 0:
            for k in range(SLOTS):
                if s.tome[k] < 0:
                    slot = k
                    break
            s.tome[slot] = what
        s.tome_level[slot] += 1
        s.added[s.offer_stat[card, 0]] += s.offer_value[card, 0]
    elif kind == OFFER_STAT:
        for k in range(2):
            if s.offer_stat[card, k] >= 0:
                s.added[s.offer_stat[card, k]] += s.offer_value[card, k]
    elif kind == OFFER_ITEM:
        s.items[what] += 1
        s.saves += rules.item_special[what] == 7
    else:
        s.hp = min(s.hp + _F(25.0), s.stats[st.MAX_HP])
    st.recompute(s, rules)


@njit(cache=True)
def banish(s: Any, card: int) -> None:
    """Take one offered thing out of the run."""
    kind, what = s.offer_kind[card], s.offer_id[card]
    s.banishes -= 1
    if kind == OFFER_TOME:
        s.banned_tome[what] = 1
    elif kind == OFFER_ITEM:
        s.banned_item[what] = 1
    elif kind == OFFER_WEAPON or kind == OFFER_WEAPON_NEW:
        s.banned_weapon[what] = 1


@njit(cache=True)
def choose(s: Any, rules: Any, choice: int) -> None:
    """One choice on a paused screen; a choice that the screen does not have changes nothing.

    0…2 take a card (0 takes and 1 leaves a chest's item), 3 rerolls, 4 skips or declines, 5…7 banish card 0…2.
    """
    phase = s.phase
    if phase == CHEST:
        if choice == 0:
            take(s, rules, 0)
        elif choice == BANISH and s.banishes > 0:
            banish(s, 0)
        elif choice != 1 and choice != SKIP:
            return
        s.phase = PLAY
        return
    if 0 <= choice < 3:
        take(s, rules, choice)
    elif phase == LEVEL_UP and choice == REROLL:
        if s.refreshes > 0:
            s.refreshes -= 1
            roll_cards(s, rules)
        return
    elif phase == LEVEL_UP and BANISH <= choice < BANISH + 3:
        if s.banishes <= 0:
            return
        banish(s, choice - BANISH)
    elif choice == SKIP:
        if phase == LEVEL_UP:
            if s.skips <= 0:
                return
            s.skips -= 1
    else:
        return
    s.phase = PLAY
