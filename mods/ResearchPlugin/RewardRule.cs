// The reward of a step, from differences of the game's own counters. No Unity, no clock.
using System;
using System.Collections.Generic;

namespace ResearchPlugin;

/// <summary>Counters of a run after a step.</summary>
public struct RunCounters
{
    public int Kills, TimeMs;
    public float Levels, DamageTaken, MaxHealth;
    public bool Ended, Won;
}

/// <summary>
/// What a step pays: for a minute survived up to the cap, with what is left of it at a win; for a kill, a whole level,
/// damage of the size of the largest health, and the two ends. The agent has the same tables, by the same names.
/// </summary>
public sealed record RewardTable(
    string Name, float Minute = 0, float Kill = 0, float Level = 0, float Damage = 0, float Death = 0, float Win = 0)
{
    public const int CapMs = 1_200_000;

    /// <summary>The default pays the score in minutes; the other one is that of version 0.1.0.</summary>
    public static readonly IReadOnlyList<RewardTable> All = new[]
    {
        new RewardTable("score", Minute: 1),
        new RewardTable("counters", Kill: 0.02f, Level: 0.5f, Damage: -1, Death: -5, Win: 10),
    };
}

public sealed class RewardRule
{
    private const float MinuteMs = 60_000;
    private readonly RewardTable _table;
    private RunCounters _before;

    public RewardRule(RewardTable table)
    {
        _table = table;
    }

    public void Begin(in RunCounters now) => _before = now;

    public float Of(in RunCounters now)
    {
        var passedMs = Math.Min(now.TimeMs, RewardTable.CapMs) - Math.Min(_before.TimeMs, RewardTable.CapMs);
        var reward = _table.Kill * Math.Max(0, now.Kills - _before.Kills)
            + _table.Level * Math.Max(0f, now.Levels - _before.Levels)
            + _table.Damage * Math.Max(0f, now.DamageTaken - _before.DamageTaken) / Math.Max(1f, now.MaxHealth)
            + _table.Minute * Math.Max(0, passedMs) / MinuteMs;
        if (now.Ended && !_before.Ended)
        {
            var leftMs = Math.Max(0, RewardTable.CapMs - Math.Max(now.TimeMs, _before.TimeMs));
            reward += now.Won ? _table.Win + _table.Minute * leftMs / MinuteMs : _table.Death;
        }
        _before = now;
        return reward;
    }
}
