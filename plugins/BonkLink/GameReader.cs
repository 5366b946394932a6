// Every field of the state from the game's own objects, each with another way where there is one. Main thread only.
using System;
using Assets.Scripts.Actors.Player;
using Assets.Scripts.Inventory__Items__Pickups;
using Assets.Scripts.Saves___Serialization.Progression.Stats;
using Assets.Scripts.Utility;
using Inventory__Items__Pickups;
using Inventory__Items__Pickups.Xp_and_Levels;
using UnityEngine;

namespace BonkLink;

public sealed class GameReader
{
    private const float DegreesToRad = MathF.PI / 180, DamagePeriodS = 0.2f;
    private readonly GameScreens _screens;
    private readonly SceneObjects _objects = new();
    private readonly RunEnd _end = new();
    private readonly EnemyList _enemies = new();
    private float _dealt, _dealtDueS, _taken, _lastPool = float.NaN;
    private ulong _seed;
    private bool _wasOver;

    private readonly Field<Vector3> _position = new(
        "position", Vector3.zero, () => MyPlayer.Instance.GetFeetPosition(), () => MyPlayer.Instance.feet.position,
        () => MyPlayer.Instance.transform.position);

    private readonly Field<Vector3> _velocity = new(
        "velocity", Vector3.zero, () => MyPlayer.Instance.playerMovement.GetVelocity(),
        () => MyPlayer.Instance.playerMovement.GetRb().velocity);

    private readonly Field<PlayerHealth?> _health = new(
        "health", null, () => MyPlayer.Instance.inventory?.playerHealth,
        () => GameManager.Instance.GetPlayerInventory()?.playerHealth);

    private readonly Field<PlayerXp?> _xp = new("xp", null, () => MyPlayer.Instance.inventory?.playerXp);

    private readonly Field<int> _level = new(
        "level", 0, () => MyPlayer.Instance.inventory.playerXp.level,
        () => MyPlayer.Instance.inventory.GetCharacterLevel());

    private readonly Field<float> _time = new(
        "game time", 0, () => MyTime.runTimer, () => GameManager.Instance.GetAliveTime());

    private readonly Field<Vector3> _look = new(
        "camera", Vector3.zero,
        () => MyPlayer.Instance.playerInput.cameraRotation, () => PlayerCamera.Instance.camera.transform.eulerAngles);

    private readonly Field<int> _kills = new(
        "kills", 0, () => RunStats.GetStat(EMyStat.kills), () => RunStats.GetStat("kills"));

    private readonly Field<int> _gold = new(
        "gold", 0, () => MyPlayer.Instance.inventory.goldInt, () => (int)MyPlayer.Instance.inventory.gold);

    private readonly Field<int> _mapSeed = new(
        "seed", 0, () => MapGenerationController.mapSeed, () => MapGenerator.seed);

    public GameReader(GameScreens screens)
    {
        _screens = screens;
    }

    /// <summary>Fill the record. Ends are told once; the game defines no reward.</summary>
    public void Read(StateRecord state)
    {
        state.Menu = _screens.Menu;
        state.IsPlaying = _screens.IsPlaying;
        state.IsPaused = _screens.IsPaused;
        Guarded.Run("end of run", () => ReadEnd(state));
        if (MyPlayer.Instance == null)
        {
            return;
        }
        Guarded.Run("player", () => ReadPlayer(state));
        Guarded.Run("enemies", () => _enemies.Read(state));
        Guarded.Run("options", () => ReadOptions(state));
        Guarded.Run("counters", () => ReadCounters(state));
        Guarded.Run("objects", () => _objects.Read(state));
    }

    private void ReadPlayer(StateRecord state)
    {
        state.Position = Of(_position.Read());
        state.Velocity = Of(_velocity.Read());
        state.GameTimeS = _time.Read();
        var health = _health.Read();
        if (health != null)
        {
            state.Health = health.hp;
            state.MaxHealth = health.maxHp;
            var pool = health.hp + health.shield;
            _taken += float.IsNaN(_lastPool) ? 0 : Math.Max(0, _lastPool - pool);
            _lastPool = pool;
        }
        var look = _look.Read();
        state.HasScene = true;
        state.CameraYawRad = MathF.IEEERemainder(look.y * DegreesToRad, 2 * MathF.PI);
        state.CameraPitchRad = -MathF.IEEERemainder(look.x * DegreesToRad, 2 * MathF.PI);
    }

    private void ReadOptions(StateRecord state)
    {
        if (_screens.LevelUp is { } levelUp)
        {
            foreach (var card in levelUp.upgradePicker.buttons)
            {
                if (card != null && card.gameObject.activeInHierarchy)
                {
                    state.Options.Add(Option(card.t_name.text, card.t_rarity.text, card.t_description.text));
                }
            }
        }
        else if (_screens.Chest is { } chest && chest.b_take != null && chest.b_take.gameObject.activeInHierarchy)
        {
            state.Options.Add(Option(chest.t_itemName.text, chest.t_itemRarity.text, chest.t_itemDesc.text));
        }
        else if (_screens.Encounter is { } encounter)
        {
            foreach (var offer in encounter.rarityButtons)
            {
                if (offer != null && offer.gameObject.activeInHierarchy)
                {
                    state.Options.Add(Option(offer.t_description.text, offer.t_rarity.text, ""));
                }
            }
        }
    }

    private static string Option(string name, string rarity, string text)
    {
        var head = string.IsNullOrEmpty(rarity) ? name : $"{name} ({rarity})";
        return string.IsNullOrEmpty(text) ? head : $"{head}: {text}";
    }

    private void ReadCounters(StateRecord state)
    {
        var seed = (ulong)(uint)_mapSeed.Read();
        if (seed != _seed)
        {
            _seed = seed;
            (_taken, _dealt, _dealtDueS, _lastPool) = (0, 0, 0, float.NaN);
        }
        ref var run = ref state.Run;
        run.Seed = seed;
        run.Level = (ushort)Math.Clamp(_level.Read(), 0, ushort.MaxValue);
        run.Kills = (uint)Math.Max(0, _kills.Read());
        run.Gold = (uint)Math.Max(0, _gold.Read());
        run.DamageTaken = _taken;
        run.DamageDealt = Dealt();
        var xp = _xp.Read();
        if (xp != null)
        {
            run.XpFraction = Math.Clamp(XpUtility.CurrentLevelProgress(xp.xp), 0f, 1f);
        }
    }

    /// <summary>Sum over the sources of damage, asked five times a second.</summary>
    private float Dealt()
    {
        var now = Time.unscaledTime;
        if (now < _dealtDueS || RunStats.damageSources == null)
        {
            return _dealt;
        }
        _dealtDueS = now + DamagePeriodS;
        var sum = 0f;
        foreach (var pair in RunStats.damageSources)
        {
            sum += pair.Value.damage;
        }
        return _dealt = sum;
    }

    private void ReadEnd(StateRecord state)
    {
        var over = _end.IsOver;
        if (over && !_wasOver)
        {
            state.Run.Flags |= RunInfo.Ended;
            state.Run.Flags |= _end.IsWon ? RunInfo.Won : (byte)0;
        }
        _wasOver = over;
    }

    private static Vec3 Of(Vector3 v) => new(v.x, v.y, v.z);
}
