// The run's counters for the reward, from the game's own objects.
using System;
using Assets.Scripts.Actors.Player;
using Assets.Scripts.Saves___Serialization.Progression.Stats;
using Assets.Scripts.Utility;
using BonkLink;
using Inventory__Items__Pickups;

namespace ResearchPlugin;

public sealed class GameCounters
{
    private readonly RunEnd _end = new();
    private float _taken, _lastPool = float.NaN;

    private readonly Field<int> _kills = new(
        "kills", 0, () => RunStats.GetStat(EMyStat.kills), () => RunStats.GetStat("kills"));

    private readonly Field<float> _levels = new("levels", 0, () =>
    {
        var xp = MyPlayer.Instance.inventory.playerXp;
        return xp.level + Math.Clamp(XpUtility.CurrentLevelProgress(xp.xp), 0f, 1f);
    });

    private readonly Field<float> _time = new(
        "game time", 0, () => MyTime.runTimer, () => GameManager.Instance.GetAliveTime());

    /// <summary>A new run: damage counts from nothing.</summary>
    public void Begin() => (_taken, _lastPool) = (0, float.NaN);

    public RunCounters Read()
    {
        var most = 1f;
        if (MyPlayer.Instance != null && MyPlayer.Instance.inventory?.playerHealth is { } health)
        {
            var pool = health.hp + health.shield;
            _taken += float.IsNaN(_lastPool) ? 0 : Math.Max(0, _lastPool - pool);
            _lastPool = pool;
            most = health.maxHp;
        }
        var over = _end.IsOver;
        return new RunCounters
        {
            Kills = _kills.Read(),
            Levels = _levels.Read(),
            TimeMs = (int)MathF.Round(_time.Read() * 1000),
            DamageTaken = _taken,
            MaxHealth = most,
            Ended = over,
            Won = over && _end.IsWon,
        };
    }
}
