// The reward of a step, from differences of the game's own counters. No Unity, no clock.
using System;

namespace ResearchPlugin;

/// <summary>Counters of a run after a step.</summary>
public struct RunCounters
{
    public int Kills, TimeMs;
    public float Levels, DamageTaken, MaxHealth;
    public bool Ended, Won;
}

/// <summary>Kills, levels (with the share of the next one) and damage taken, and the end of a run.</summary>
public sealed class RewardRule
{
    public const float Kill = 0.02f, Level = 0.5f, DamageShare = -1f, Death = -5f, Win = 10f;
    private RunCounters _before;

    public void Begin(in RunCounters now) => _before = now;

    public float Of(in RunCounters now)
    {
        var reward = Kill * Math.Max(0, now.Kills - _before.Kills) + Level * Math.Max(0f, now.Levels - _before.Levels);
        reward += DamageShare * Math.Max(0f, now.DamageTaken - _before.DamageTaken) / Math.Max(1f, now.MaxHealth);
        if (now.Ended && !_before.Ended)
        {
            reward += now.Won ? Win : Death;
        }
        _before = now;
        return reward;
    }
}
