// Stand-in for the game's assembly: its types in namespaces.
using Il2CppInterop.Runtime.InteropTypes.Arrays;
using Il2CppSystem.Collections.Generic;
using UnityEngine;

namespace Actors.Enemies
{
    public enum EMap
    {
        Forest = 1,
    }

    public enum EEnemy
    {
        Skeleton = 0,
        Ghoul = 6,
    }

    public class EnemyData : ScriptableObject
    {
        public EEnemy enemyName;
        public int hp, damage, xp;
        public float speed, creditCost, canSpawnAfterTime, colliderRadius, knockbackResistance;
        public bool isFlying, canBeElite;
        public EMap maps;
    }
}

namespace Assets.Scripts.Utility
{
    public static class MyTime
    {
        public static bool paused;
        public static float runTimer;
    }
}

namespace Utility
{
    public static class MyRandom
    {
        public static Il2CppSystem.Random random;
    }
}

namespace Assets.Scripts.Managers
{
    public class MapController : Il2CppSystem.Object
    {
        public static Game.Other.RunConfig? runConfig;

        public static bool IsMainMenuIs = default!;

        public static bool IsMainMenu() => IsMainMenuIs;

        public static int Restarts, Starts;

        public static void RestartRun() => Restarts++;

        public static void StartNewMap(Game.Other.RunConfig newRunConfig)
        {
            Starts++;
            runConfig = newRunConfig;
        }
    }

    public class EnemyManager : MonoBehaviour
    {
        public static EnemyManager Instance { get; set; } = default!;

        public Dictionary<uint, Actors.Enemies.Enemy>? enemies;
    }
}

namespace Assets.Scripts.Game.Other
{
    public class RunConfig : Il2CppSystem.Object
    {
        public MapData mapData;
        public StageData stageData;
        public int mapTierIndex, musicTrackIndex;
    }
}

namespace Assets.Scripts.Game.Spawning.New.Timelines
{
    public enum ETimelineEvent
    {
        EMiniBoss = 1,
    }

    public class TimelineEvent : Il2CppSystem.Object
    {
        public ETimelineEvent eTimelineEvent;
        public float timeMinutes;
    }

    public class StageTimeline : Il2CppSystem.Object
    {
        public float stageTime, checkNewEnemyInterval;
        public List<TimelineEvent> events;
    }
}

namespace Assets.Scripts.Actors.Player
{
    public class MyPlayer : MonoBehaviour
    {
        public static MyPlayer Instance { get; set; } = default!;

        public PlayerMovement playerMovement;
        public PlayerInput playerInput;
        public PlayerInventory inventory;
        public Transform feet;

        public bool Dead = default!;

        public bool IsDead() => Dead;

        public Vector3 GetFeetPositionIs = default!;

        public Vector3 GetFeetPosition() => GetFeetPositionIs;
    }
}

namespace Assets.Scripts.Actors.Enemies
{
    public class Enemy : MonoBehaviour
    {
        public global::Actors.Enemies.EnemyData enemyData { get; set; } = default!;

        public float hp { get; set; } = default!;

        public uint id { get; set; } = default!;

        public bool Dead = default!;

        public bool IsDead() => Dead;

        public bool Boss = default!;

        public bool IsBoss() => Boss;

        public bool StageBoss = default!;

        public bool IsStageBoss() => StageBoss;

        public bool Elite = default!;

        public bool IsElite() => Elite;

        public Vector3 GetCenterPositionIs = default!;

        public Vector3 GetCenterPosition() => GetCenterPositionIs;
    }
}

namespace Assets.Scripts.Inventory__Items__Pickups
{
    public class PlayerHealth : Il2CppSystem.Object
    {
        public int hp, maxHp;
        public float shield;
    }
}

namespace Assets.Scripts.Inventory__Items__Pickups.Stats
{
    public enum EStatModifyType
    {
        Addition = 0,
    }

    public class StatModifier : Il2CppSystem.Object
    {
        public Menu.Shop.EStat stat;
        public EStatModifyType modifyType;
        public float modification;
    }

    public class PlayerStatsNew : Il2CppSystem.Object
    {
        public static float GetBaseValue(Menu.Shop.EStat stat) => 100;
    }
}

namespace Assets.Scripts.Menu.Shop
{
    public enum EStat
    {
        MaxHealth = 0,
    }
}

namespace Inventory__Items__Pickups.Xp_and_Levels
{
    public class PlayerXp : Il2CppSystem.Object
    {
        public int xp, level;
    }

    public class XpUtility : Il2CppSystem.Object
    {
        public static Il2CppStructArray<int> xpForLevelsTable;

        public static float Progress;

        public static float CurrentLevelProgress(int currentXp) => Progress;
    }
}

namespace Assets.Scripts.Saves___Serialization.Progression.Stats
{
    public enum EMyStat
    {
        kills = 0,
    }

    public class DamageSource : Il2CppSystem.Object
    {
        public float damage;
    }

    public static class RunStats
    {
        public static Dictionary<string, DamageSource>? damageSources;

        public static int Kills;

        public static int GetStat(EMyStat stat) => stat == EMyStat.kills ? Kills : 0;

        public static int GetStat(string stat) => stat == "kills" ? Kills : 0;
    }
}

namespace Assets.Scripts.Saves___Serialization.SaveFiles
{
    public class ConfigSaveFile : Il2CppSystem.Object
    {
        public Settings___Saves.SaveFiles.ConfigSaves.CFGameSettings? cfGameSettings;
    }
}

namespace Assets.Scripts.Settings___Saves.SaveFiles.ConfigSaves
{
    public class CFGameSettings : Il2CppSystem.Object
    {
        public int upload_score_to_leaderboard;
    }
}

namespace Assets.Scripts.UI.InGame.Levelup
{
    public class EncounterWindows : MonoBehaviour
    {
        public BaseEncounterWindow? levelupScreen, genericEncounterWindow, chestWindow, itemPickWindow;

        public bool encounterInProgress { get; set; } = default!;
    }
}
