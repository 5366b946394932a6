// The fake game's objects: what a run of Megabonk has, as few of each as the plugin needs to be shown.
using System;
using System.Collections.Generic;
using System.Linq;
using System.Text.Json;
using System.Text.Json.Nodes;
using Actors.Enemies;
using Assets.Scripts.Actors.Enemies;
using Assets.Scripts.Actors.Player;
using Assets.Scripts.Game.Spawning.New.Timelines;
using Assets.Scripts.Inventory__Items__Pickups;
using Assets.Scripts.Inventory__Items__Pickups.Chests;
using Assets.Scripts.Inventory__Items__Pickups.Stats;
using Assets.Scripts.Inventory__Items__Pickups.Upgrades;
using Assets.Scripts.Managers;
using Assets.Scripts.Saves___Serialization.Progression.Stats;
using Assets.Scripts.Settings___Saves.SaveFiles;
using Assets.Scripts.Settings___Saves.SaveFiles.ConfigSaves;
using Assets.Scripts.UI.InGame.Levelup;
using Assets.Scripts.Utility;
using HarmonyLib;
using Il2CppInterop.Runtime.InteropTypes.Arrays;
using Inventory__Items__Pickups;
using Inventory__Items__Pickups.Xp_and_Levels;
using TMPro;
using UnityEngine;

namespace FakeGame;

public sealed class FakeWorld
{
    private readonly List<string> _pressed = new();
    private readonly Window _window = new() { name = "Menu" };
    private readonly LevelupScreen _levelUp = new();
    private readonly ChestWindowUi _chest = new();
    private readonly EncounterUi _encounter = new();
    private readonly FakeRuns _runs = new();
    private readonly FakeUploads _uploads = new();
    private readonly CFGameSettings _settings = new() { upload_score_to_leaderboard = 1 };
    private readonly MyPlayer _player;
    private readonly GameManager _game = new() { isPlaying = true, IsPlayingIs = true };

    public FakeWorld()
    {
        _player = new MyPlayer
        {
            playerMovement = new PlayerMovement(),
            playerInput = new PlayerInput(),
            feet = new Transform(),
            inventory = new PlayerInventory
            {
                playerHealth = new PlayerHealth { hp = 90, maxHp = 120 },
                playerXp = new PlayerXp { xp = 10, level = 2 },
            },
        };
        MyPlayer.Instance = _player;
        GameManager.Instance = _game;
        EnemyManager.Instance = new EnemyManager { enemies = new() };
        RunStats.damageSources = new();
        PlayerCamera.Instance = new PlayerCamera();
        SaveManager.Instance = new SaveManager { config = new ConfigSaveFile { cfGameSettings = _settings } };
        MapGenerationController.mapSeed = 77;
        MakeScreens();
        MakeData();
        _data = DataManager.Instance;
        ScreenCapture.Screen = (x, y) => y < 0.5f
            ? x < 0.5f ? ((byte)200, (byte)0, (byte)0) : ((byte)0, (byte)200, (byte)0)
            : x < 0.5f ? ((byte)0, (byte)0, (byte)200) : ((byte)200, (byte)200, (byte)200);
    }

    /// <summary>Time passes; returns how many fixed steps fit into it.</summary>
    public int Pass(double seconds)
    {
        _clockS += seconds * Time.timeScale;
        if (_timeRuns)
        {
            _runs.Pass(seconds);
        }
        var steps = 0;
        while (_fixedS + Time.fixedDeltaTime <= _clockS + 1e-6)
        {
            _fixedS += Time.fixedDeltaTime;
            steps++;
        }
        return steps;
    }

    private bool _timeRuns;
    private DataManager _data = null!;
    private double _clockS, _fixedS;

    private void MakeScreens()
    {
        var buttons = new[] { "B_Play", "B_Confirm", "B_Back", "B_Resume", "B_Continue", "B_Restart" };
        _window.allButtons = new();
        for (var i = 0; i < buttons.Length; i++)
        {
            _window.allButtons.Add(Button(new MyButtonNormal(), buttons[i], 100, 600 - 80 * i));
        }
        var others = new[] { ("B_Exit", 600), ("B_Purchase", 500), ("B_Item", 400), ("B_Power", 300) };
        foreach (var (name, bottom) in others)
        {
            _window.allButtons.Add(Button(new MyButtonNormal(), name, 900, bottom));
        }
        _window.allButtons[9].GetButton().onClick.Happened += () => new MainMenu().ExitGame();
        _window.allButtons[9].GetButton().onClick.Happened += () => new CharacterMenu().BuyCharacter();
        _window.startBtn = _window.allButtons[0];
        WindowManager.activeWindow = _window;
        var cards = Enumerable.Range(0, 3).Select(i => Button(new UpgradeButton
        {
            t_name = Text($"card {i}"), t_description = Text("+1"), t_rarity = Text("Rare"), t_level = Text(""),
        }, $"UpgradeButton ({i})", 500, 500 - 100 * i)).ToArray();
        _levelUp.upgradePicker = new UpgradePicker { buttons = new Il2CppReferenceArray<UpgradeButton>(cards) };
        _levelUp.b_skip = Button(new MyButtonOffersUtility(), "B_Skip", 500, 100);
        _levelUp.window = new GameObject { activeInHierarchy = false };
        (_chest.t_itemName, _chest.t_itemRarity, _chest.t_itemDesc) =
            (Text("Oats"), Text("Common"), Text("+25 max HP"));
        _chest.b_open = Button(new MyButtonNormal(), "B_Open", 600, 300);
        _chest.b_take = Button(new MyButtonNormal(), "B_Take", 600, 200);
        _chest.b_leave = Button(new MyButtonNormal(), "B_Leave", 600, 100);
        _chest.window = new Window();
        _chest.window.gameObject.activeInHierarchy = false;
        _encounter.genericButtons = new();
        _encounter.rarityButtons = new();
        _encounter.rarityButtons.Add(Button(
            new EncounterButton { t_description = Text("Armor +5 %"), t_rarity = Text("Epic") }, "offer", 500, 300));
        _encounter.gameObject.activeInHierarchy = false;
        UiManager.Instance = new UiManager
        {
            deathScreen = new DeathScreen { statsWindow = Hidden(), victoryScreen = Hidden() },
            pause = new PauseUi(),
            encounterWindows = new EncounterWindows
            {
                levelupScreen = _levelUp, chestWindow = _chest, genericEncounterWindow = _encounter,
                itemPickWindow = new LevelupScreen { window = Hidden() },
            },
        };
    }

    private static GameObject Hidden() => new() { activeInHierarchy = false };

    private static TextMeshProUGUI Text(string text) => new() { text = text };

    private T Button<T>(T button, string name, float left, float bottom) where T : MyButton
    {
        button.gameObject.name = name;
        button.transform = new RectTransform { Left = left, Bottom = bottom, Width = 200, Height = 60 };
        button.GetButton().onClick.Happened += () => _pressed.Add(name);
        return button;
    }

    private static void MakeData()
    {
        var modifier = new StatModifier { modification = 0.08f };
        var weapon = new WeaponData
        {
            damage = 12.5f, projectiles = 2, endCooldown = 0.45f, knockback = 1.25f, critChance = 0.02f,
            upgradeData = new UpgradeData { upgradeModifiers = new() },
        };
        weapon.upgradeData.upgradeModifiers.Add(modifier);
        var character = new CharacterData { weapon = weapon, statModifiers = new() };
        var timeline = new StageTimeline { stageTime = 600, checkNewEnemyInterval = 60, events = new() };
        timeline.events.Add(new TimelineEvent { eTimelineEvent = ETimelineEvent.EMiniBoss, timeMinutes = 3 });
        var map = new MapData
        {
            eMap = EMap.Forest,
            stages = new Il2CppReferenceArray<StageData>(new[] { new StageData { stageTimeline = timeline } }),
        };
        var data = new DataManager
        {
            unsortedEnemies = new(), unsortedWeapons = new(), unsortedCharacterData = new(), unsortedTomes = new(),
            unsortedItems = new(), maps = new(),
        };
        data.unsortedEnemies.Add(
            new EnemyData { hp = 20, damage = 20, xp = 1, speed = 5.5f, enemyName = EEnemy.Skeleton });
        data.unsortedWeapons.Add(weapon);
        data.unsortedCharacterData.Add(character);
        data.unsortedTomes.Add(new TomeData { statModifier = modifier });
        data.unsortedItems.Add(new ItemData());
        data.maps.Add(map);
        XpUtility.xpForLevelsTable = new Il2CppStructArray<int>(3) { [0] = 7, [1] = 23, [2] = 45 };
        Application.version = "1.0.69";
        DataManager.Instance = data;
    }

    public void Obey(JsonElement command)
    {
        if (!command.TryGetProperty("set", out var values))
        {
            return;
        }
        foreach (var field in values.EnumerateObject())
        {
            if (!SetPlayer(field.Name, field.Value) && !SetRun(field.Name, field.Value))
            {
                SetScreen(field.Name, field.Value);
            }
        }
    }

    private static Vector3 Vector(JsonElement v) => new(v[0].GetSingle(), v[1].GetSingle(), v[2].GetSingle());

    private bool SetPlayer(string name, JsonElement v)
    {
        switch (name)
        {
            case "feet": _player.GetFeetPositionIs = Vector(v); return true;
            case "velocity": _player.playerMovement.GetVelocityIs = Vector(v); return true;
            case "hp": _player.inventory.playerHealth.hp = v.GetInt32(); return true;
            case "maxHp": _player.inventory.playerHealth.maxHp = v.GetInt32(); return true;
            case "shield": _player.inventory.playerHealth.shield = v.GetSingle(); return true;
            case "level": _player.inventory.playerXp.level = v.GetInt32(); return true;
            case "goldInt": _player.inventory.goldInt = v.GetInt32(); return true;
            case "rotation":
                _player.playerInput.cameraRotation = _player.playerInput.desiredCameraRotation = Vector(v);
                return true;
            case "player": MyPlayer.Instance = v.GetBoolean() ? _player : null!; return true;
            case "held":
                MyInputManager.Held.Clear();
                MyInputManager.Held.UnionWith(v.EnumerateArray().Select(e => e.GetString()!));
                return true;
            case "axes":
                (MyInputManager.Axes["Move Horizontal"], MyInputManager.Axes["Move Vertical"]) =
                    (v[0].GetSingle(), v[1].GetSingle());
                return true;
            case "mouse":
                (Input.mousePosition, Input.Clicked) = (new Vector3(v[0].GetSingle(), v[1].GetSingle(), 0), true);
                return true;
            default: return false;
        }
    }

    private bool SetRun(string name, JsonElement v)
    {
        switch (name)
        {
            case "runTimer": MyTime.runTimer = v.GetSingle(); return true;
            case "paused": MyTime.paused = v.GetBoolean(); return true;
            case "isPlaying": _game.isPlaying = v.GetBoolean(); return true;
            case "isGameOver": _game.isGameOver = v.GetBoolean(); return true;
            case "bossDead": _game.IsFinalBossDeadIs = v.GetBoolean(); return true;
            case "kills": RunStats.Kills = v.GetInt32(); return true;
            case "progress": XpUtility.Progress = v.GetSingle(); return true;
            case "mapSeed": MapGenerationController.mapSeed = v.GetInt32(); return true;
            case "damage":
                RunStats.damageSources!.Clear();
                foreach (var source in v.EnumerateObject())
                {
                    RunStats.damageSources[source.Name] = new DamageSource { damage = source.Value.GetSingle() };
                }
                return true;
            case "enemies":
                EnemyManager.Instance.enemies!.Clear();
                foreach (var row in v.EnumerateArray())
                {
                    EnemyManager.Instance.enemies[row[0].GetUInt32()] = new Enemy
                    {
                        id = row[0].GetUInt32(), GetCenterPositionIs = Vector(row[1]), hp = row[2].GetSingle(),
                        enemyData = new EnemyData { enemyName = (EEnemy)row[3].GetInt32() },
                        Elite = row[4].GetBoolean(), Dead = row[5].GetBoolean(),
                    };
                }
                return true;
            case "things":
                UnityEngine.Object.Alive.Clear();
                foreach (var row in v.EnumerateArray())
                {
                    var thing = FakeThings.Make(row[0].GetString()!);
                    thing.transform.position = Vector(row[1]);
                    UnityEngine.Object.Alive.Add(thing);
                }
                return true;
            default: return false;
        }
    }

    private void SetScreen(string name, JsonElement v)
    {
        var windows = UiManager.Instance.encounterWindows!;
        switch (name)
        {
            case "isLoading": LoadingScreen.isLoading = v.GetBoolean(); break;
            case "isMainMenu": MapController.IsMainMenuIs = v.GetBoolean(); break;
            case "start": _window.startBtn = _window.allButtons![v.GetInt32()]; break;
            case "confirm": _window.allButtons![1].gameObject.activeInHierarchy = v.GetBoolean(); break;
            case "scene": UnityEngine.SceneManagement.SceneManager.Name = v.GetString()!; break;
            case "screen": (Screen.width, Screen.height) = (v[0].GetInt32(), v[1].GetInt32()); break;
            case "window": _window.name = v.GetString()!; break;
            case "pauseMenu": UiManager.Instance.pause.IsPausedIs = v.GetBoolean(); break;
            case "wallrunBound": _player.playerInput.hasWallrunActionBound = v.GetBoolean(); break;
            case "fade": _runs.Fade(v.GetDouble()); break;
            case "pictureDelayS": UnityEngine.Rendering.AsyncGPUReadback.DelayS = v.GetDouble(); break;
            case "paints": ScreenCapture.Screen = FakeInput.Paint; break;
            case "lost": _runs.Lose(v.GetInt32()); break;
            case "data": DataManager.Instance = v.GetBoolean() ? _data : null!; break;
            case "runRuns": _timeRuns = v.GetBoolean(); break;
            case "tierVictory": UiManager.Instance.deathScreen.tierVictory = v.GetBoolean(); break;
            case "victory": UiManager.Instance.deathScreen.victoryScreen.activeInHierarchy = v.GetBoolean(); break;
            case "results": UiManager.Instance.deathScreen.statsWindow.activeInHierarchy = v.GetBoolean(); break;
            case "encounter":
                var open = v.GetString();
                windows.encounterInProgress = open != "";
                _levelUp.window!.activeInHierarchy = open is "levelup" or "moai";
                LevelupScreen.isLevelingUp = open == "levelup";
                _chest.window!.gameObject.activeInHierarchy = open == "chest";
                _encounter.gameObject.activeInHierarchy = open == "shrine";
                break;
            case "fixedDelta": Time.fixedDeltaTime = v.GetSingle(); break;
            case "timeScale": Time.timeScale = v.GetSingle(); break;
            case "vsyncs": QualitySettings.vSyncCount = v.GetInt32(); break;
            case "frameRate": Application.targetFrameRate = v.GetInt32(); break;
            case "humanRuns": FakeRuns.Begin(v.GetInt32()); break;
            case "opened": _chest.b_open!.gameObject.activeInHierarchy = !v.GetBoolean(); break;
            case "upload": _uploads.Send(); break;
            case "pauseEvents":
                new PauseHandler().OnGameOverlayActivated(1);
                new PauseHandler().OnControllerDisconnected(0);
                break;
            default: throw new ArgumentException($"the fake game has no {name}");
        }
    }

    public JsonObject Report()
    {
        var report = new JsonObject
        {
            ["pressed"] = new JsonArray(_pressed.ConvertAll(p => (JsonNode)p!).ToArray()),
            ["selected"] = string.Join(",", _levelUp.upgradePicker.buttons
                .Where(b => b.GetButton().Selected).Select(b => b.gameObject.name)),
            ["upload_setting"] = _settings.upload_score_to_leaderboard,
            ["background"] = Application.runInBackground,
            ["clock_s"] = _clockS,
            ["time_scale"] = Time.timeScale,
            ["capture_delta_s"] = Time.captureDeltaTime,
            ["exits_and_buys"] = MainMenu.Exits + CharacterMenu.Bought,
            ["queries"] = UnityEngine.Object.Queries,
            ["most_queries"] = UnityEngine.Object.MostQueries,
            ["enemy_walks"] = EnemyManager.Instance.enemies!.Walks,
            ["textures"] = RenderTexture.Out,
            ["seeded"] = UnityEngine.Random.Seeded,
            ["restarts"] = MapController.Restarts,
            ["starts"] = MapController.Starts,
        };
        FakeInput.Report(report, _player.playerInput);
        _runs.Report(report);
        _uploads.Report(report);
        return report;
    }
}
