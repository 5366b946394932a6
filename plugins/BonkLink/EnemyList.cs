// The enemies of the game's own manager. Its dictionary is walked only where its count changed, and else 20 times a
// second; between two walks the same objects are asked for where they are. Main thread only.
using System.Collections.Generic;
using Assets.Scripts.Actors.Enemies;
using Assets.Scripts.Managers;
using UnityEngine;

namespace BonkLink;

public sealed class EnemyList
{
    private const float PeriodS = 0.05f;
    private readonly List<Enemy> _enemies = new();
    private readonly Dictionary<uint, byte> _kinds = new();
    private int _count = -1;
    private float _dueS;

    public void Read(StateRecord state)
    {
        var manager = EnemyManager.Instance;
        if (manager == null || manager.enemies is not { } enemies)
        {
            _enemies.Clear();
            _count = -1;
            return;
        }
        if (enemies.Count != _count || Time.unscaledTime >= _dueS)
        {
            // Set only after a whole walk: one that the game's own changes broke off is made again.
            _count = -1;
            _enemies.Clear();
            foreach (var pair in enemies)
            {
                _enemies.Add(pair.Value);
            }
            (_count, _dueS) = (enemies.Count, Time.unscaledTime + PeriodS);
        }
        foreach (var enemy in _enemies)
        {
            if (state.Enemies.Count == Wire.MaxEnemies)
            {
                break;
            }
            if (enemy != null && !enemy.IsDead())
            {
                var at = enemy.GetCenterPosition();
                state.Enemies.Add(new EnemyRow
                {
                    Position = new Vec3(at.x, at.y, at.z), Health = enemy.hp, Kind = KindOf(enemy),
                });
            }
        }
        if (state.Enemies.Count == 0)
        {
            _kinds.Clear();
        }
    }

    /// <summary>The game uses its enemies again with another number, so kinds are kept by number.</summary>
    private byte KindOf(Enemy enemy)
    {
        if (!_kinds.TryGetValue(enemy.id, out var kind))
        {
            var name = (int)enemy.enemyData.enemyName & 0x7F;
            kind = (byte)(enemy.IsElite() || enemy.IsBoss() || enemy.IsStageBoss() ? name | 0x80 : name);
            _kinds.Add(enemy.id, kind);
        }
        return kind;
    }
}
