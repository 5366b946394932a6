// The installed game's own tables, once for each version of the game, as JSON beside the configuration.
// The arena reads it with --calibration; the schema's name is in the file.
using System;
using System.IO;
using Assets.Scripts.Inventory__Items__Pickups.Stats;
using Assets.Scripts.Menu.Shop;
using BepInEx;
using Inventory__Items__Pickups;
using UnityEngine;

namespace BonkLink;

public sealed class GameDataDump
{
    public const string Schema = "bonklink-game-data/1", FileName = "bonklink-game-data.json";
    private const int Levels = 200;
    private readonly Action<string> _log;
    private bool _done;
    private float _dueS;

    public GameDataDump(Action<string> log)
    {
        _log = log;
    }

    /// <summary>Write the file once the data is loaded, unless this version's is there; then do nothing.</summary>
    public void Try()
    {
        if (_done || Time.unscaledTime < _dueS)
        {
            return;
        }
        _dueS = Time.unscaledTime + 2;
        var data = DataManager.Instance;
        if (data == null || data.unsortedEnemies == null || data.unsortedEnemies.Count == 0)
        {
            return;
        }
        _done = true;
        var path = Path.Combine(Paths.ConfigPath, FileName);
        if (File.Exists(path) && File.ReadAllText(path).Contains($"\"game_version\":\"{Application.version}\""))
        {
            return;
        }
        File.WriteAllText(path, Write(data));
        _log($"the game's tables are in {path}");
    }

    private static string Write(DataManager data)
    {
        var json = new JsonText();
        json.Open('{').Key("schema").Value(Schema).Key("game_version").Value(Application.version);
        json.Key("fixed_delta_s").Value(Time.fixedDeltaTime);
        Section(json, "xp_for_levels", '[', () => Xp(json));
        Section(json, "enemies", '[', () => Enemies(json, data));
        Section(json, "weapons", '[', () => Weapons(json, data));
        Section(json, "tomes", '[', () => Tomes(json, data));
        Section(json, "items", '[', () => Items(json, data));
        Section(json, "characters", '[', () => Characters(json, data));
        Section(json, "stages", '[', () => Stages(json, data));
        Section(json, "base_stats", '{', () => BaseStats(json));
        return json.Close('}').ToString();
    }

    /// <summary>A section that a changed game cannot fill is closed where it stands; its absence is said.</summary>
    private static void Section(JsonText json, string name, char open, Action fill)
    {
        json.Key(name).Open(open);
        Guarded.Run($"data dump, {name}", fill);
        json.Close(open == '[' ? ']' : '}');
    }

    private static void Xp(JsonText json)
    {
        for (var i = 0; i < Math.Min(Levels, XpUtility.xpForLevelsTable.Length); i++)
        {
            json.Value(XpUtility.xpForLevelsTable[i]);
        }
    }

    private static void Enemies(JsonText json, DataManager data)
    {
        foreach (var e in data.unsortedEnemies)
        {
            var (id, name, maps) = ((int)e.enemyName, e.enemyName.ToString(), (int)e.maps);
            int hp = e.hp, damage = e.damage, xp = e.xp;
            float speed = e.speed, cost = e.creditCost, after = e.canSpawnAfterTime, radius = e.colliderRadius;
            float resist = e.knockbackResistance;
            bool flies = e.isFlying, elite = e.canBeElite;
            json.Open('{').Key("id").Value(id).Key("name").Value(name).Key("hp").Value(hp).Key("damage").Value(damage);
            json.Key("speed").Value(speed).Key("cost").Value(cost).Key("after_s").Value(after);
            json.Key("radius").Value(radius);
            json.Key("knockback_resistance").Value(resist).Key("xp").Value(xp).Key("flies").Value(flies);
            json.Key("can_be_elite").Value(elite).Key("maps").Value(maps).Close('}');
        }
    }

    private static void Weapons(JsonText json, DataManager data)
    {
        foreach (var w in data.unsortedWeapons)
        {
            var (id, name) = ((int)w.eWeapon, w.eWeapon.ToString());
            float damage = w.damage, cooldown = w.endCooldown, burst = w.burstTime, least = w.minBurstInterval;
            float duration = w.attackDuration, speed = w.projectileSpeed, knockback = w.knockback, crit = w.critChance;
            int count = w.projectiles, bounces = w.projectileBounces;
            json.Open('{').Key("id").Value(id).Key("name").Value(name).Key("damage").Value(damage);
            json.Key("count").Value(count).Key("cooldown_s").Value(cooldown).Key("burst_s").Value(burst);
            json.Key("min_burst_interval_s").Value(least).Key("duration_s").Value(duration).Key("speed").Value(speed);
            json.Key("bounces").Value(bounces).Key("knockback").Value(knockback).Key("crit").Value(crit);
            json.Key("upgrades");
            Modifiers(json, w.upgradeData.upgradeModifiers);
            json.Close('}');
        }
    }

    private static void Tomes(JsonText json, DataManager data)
    {
        foreach (var t in data.unsortedTomes)
        {
            var (id, name, modifier) = ((int)t.eTome, t.eTome.ToString(), t.statModifier);
            json.Open('{').Key("id").Value(id).Key("name").Value(name).Key("stat").Value(modifier.stat.ToString());
            json.Key("way").Value(modifier.modifyType.ToString()).Key("value").Value(modifier.modification).Close('}');
        }
    }

    private static void Items(JsonText json, DataManager data)
    {
        foreach (var i in data.unsortedItems)
        {
            var (id, name, rarity) = ((int)i.eItem, i.eItem.ToString(), i.rarity.ToString());
            json.Open('{').Key("id").Value(id).Key("name").Value(name).Key("rarity").Value(rarity).Close('}');
        }
    }

    private static void Characters(JsonText json, DataManager data)
    {
        foreach (var c in data.unsortedCharacterData)
        {
            var (id, name) = ((int)c.eCharacter, c.eCharacter.ToString());
            json.Open('{').Key("id").Value(id).Key("name").Value(name).Key("weapon").Value(c.weapon.eWeapon.ToString());
            json.Key("modifiers");
            Modifiers(json, c.statModifiers);
            json.Close('}');
        }
    }

    private static void Stages(JsonText json, DataManager data)
    {
        foreach (var map in data.maps)
        {
            for (var i = 0; i < map.stages.Length; i++)
            {
                var timeline = map.stages[i].stageTimeline;
                var (name, seconds, every) = (map.eMap.ToString(), timeline.stageTime, timeline.checkNewEnemyInterval);
                json.Open('{').Key("map").Value(name).Key("stage").Value(i).Key("stage_time_s").Value(seconds);
                json.Key("check_new_enemy_s").Value(every).Key("miniboss_left_s").Open('[');
                foreach (var happening in timeline.events)
                {
                    if (happening.eTimelineEvent.ToString().EndsWith("MiniBoss"))
                    {
                        json.Value(seconds - happening.timeMinutes * 60f);
                    }
                }
                json.Close(']').Close('}');
            }
        }
    }

    private static void BaseStats(JsonText json)
    {
        foreach (var stat in Enum.GetValues<EStat>())
        {
            var value = PlayerStatsNew.GetBaseValue(stat);
            json.Key(stat.ToString()).Value(value);
        }
    }

    private static void Modifiers(JsonText json, Il2CppSystem.Collections.Generic.List<StatModifier> modifiers)
    {
        json.Open('[');
        foreach (var m in modifiers)
        {
            json.Open('{').Key("stat").Value(m.stat.ToString()).Key("way").Value(m.modifyType.ToString());
            json.Key("value").Value(m.modification).Close('}');
        }
        json.Close(']');
    }
}
