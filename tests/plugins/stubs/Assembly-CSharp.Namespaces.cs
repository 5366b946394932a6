// Stand-in for the game's assembly: its types in namespaces.
using Il2CppInterop.Runtime.InteropTypes.Arrays;
using Il2CppSystem.Collections.Generic;
using UnityEngine;

public class BaseInteractable : MonoBehaviour
{
}

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
}

namespace Assets.Scripts.Utility
{
    public static class MyTime
    {
        public static bool paused { get; set; }

        public static float runTimer { get; set; }
    }
}

namespace Utility
{
    public static class MyRandom
    {
        public static Il2CppSystem.Random random { get; set; }
    }
}

namespace Assets.Scripts.Managers
{
    public class MapController : Il2CppSystem.Object
    {
        public static Game.Other.RunConfig? runConfig { get; set; }

        internal static bool IsMainMenuIs = default!;

        public static bool IsMainMenu() => IsMainMenuIs;

        internal static int Restarts, Starts;

        public static void RestartRun() => HarmonyLib.Harmony.Call(typeof(MapController), "RestartRun", null, () =>
        {
            Restarts++;
            Loads?.Invoke();
        });

        public static void StartNewMap(Game.Other.RunConfig newRunConfig) => HarmonyLib.Harmony.Call(
            typeof(MapController), "StartNewMap", null, () =>
            {
                Starts++;
                runConfig = newRunConfig;
                Loads?.Invoke();
            });

        /// <summary>What the fake game does when a run begins: a map with a seed of its own.</summary>
        internal static System.Action? Loads;
    }

    public class EnemyManager : MonoBehaviour
    {
        public static EnemyManager Instance { get; set; } = default!;

        public Dictionary<uint, Actors.Enemies.Enemy>? enemies { get; set; }
    }
}

namespace Assets.Scripts.Game.Other
{
    public class RunConfig : Il2CppSystem.Object
    {
        public MapData mapData { get; set; }

        public StageData stageData { get; set; }

        public int mapTierIndex { get; set; }

        public int musicTrackIndex { get; set; }
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
        public ETimelineEvent eTimelineEvent { get; set; }

        public float timeMinutes { get; set; }
    }

    public class StageTimeline : Il2CppSystem.Object
    {
        public float stageTime { get; set; }

        public float checkNewEnemyInterval { get; set; }

        public List<TimelineEvent> events { get; set; }
    }
}

namespace Assets.Scripts.Actors.Player
{
    public class MyPlayer : MonoBehaviour
    {
        public static MyPlayer Instance { get; set; } = default!;

        public PlayerMovement playerMovement { get; set; }

        public PlayerInput playerInput { get; set; }

        public PlayerInventory inventory { get; set; }

        public Transform feet { get; set; }

        internal bool Dead = default!;

        public bool IsDead() => Dead;

        internal Vector3 GetFeetPositionIs = default!;

        public Vector3 GetFeetPosition() => GetFeetPositionIs;
    }
}

namespace Assets.Scripts.Actors.Enemies
{
    public class Enemy : MonoBehaviour
    {
        public EnemyData enemyData { get; set; } = default!;

        public float hp { get; set; } = default!;

        public uint id { get; set; } = default!;

        internal bool Dead = default!;

        public bool IsDead() => Dead;

        internal bool Boss = default!;

        public bool IsBoss() => Boss;

        internal bool StageBoss = default!;

        public bool IsStageBoss() => StageBoss;

        internal bool Elite = default!;

        public bool IsElite() => Elite;

        internal Vector3 GetCenterPositionIs = default!;

        public Vector3 GetCenterPosition() => GetCenterPositionIs;
    }
}

namespace Assets.Scripts.Inventory__Items__Pickups
{
    public class PlayerHealth : Il2CppSystem.Object
    {
        public int hp { get; set; }

        public int maxHp { get; set; }

        public float shield { get; set; }
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
        public Menu.Shop.EStat stat { get; set; }

        public EStatModifyType modifyType { get; set; }

        public float modification { get; set; }
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
        public int xp { get; set; }

        public int level { get; set; }
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
        public float damage { get; set; }
    }

    public static class RunStats
    {
        public static Dictionary<string, DamageSource>? damageSources { get; set; }

        internal static int Kills;

        public static int GetStat(EMyStat stat) => stat == EMyStat.kills ? Kills : 0;

        public static int GetStat(string stat) => stat == "kills" ? Kills : 0;
    }
}

namespace Assets.Scripts.Settings___Saves.SaveFiles.ConfigSaves
{
    public class ConfigSaveFile : Il2CppSystem.Object
    {
        public CFGameSettings? cfGameSettings { get; set; }
    }
}

namespace Assets.Scripts.Settings___Saves.SaveFiles
{
    public class CFGameSettings : Il2CppSystem.Object
    {
        public int upload_score_to_leaderboard { get; set; }
    }
}

namespace Assets.Scripts.UI.InGame.Levelup
{
    public class EncounterWindows : MonoBehaviour
    {
        public Rewards.BaseEncounterWindow? levelupScreen { get; set; }

        public Rewards.BaseEncounterWindow? genericEncounterWindow { get; set; }

        public Rewards.BaseEncounterWindow? chestWindow { get; set; }

        public Rewards.BaseEncounterWindow? itemPickWindow { get; set; }

        public bool encounterInProgress { get; set; } = default!;
    }
}

namespace Inventory__Items__Pickups
{
    public class XpUtility : Il2CppSystem.Object
    {
        public static Il2CppStructArray<int> xpForLevelsTable { get; set; }

        internal static float Progress;

        public static float CurrentLevelProgress(int currentXp) => Progress;
    }
}

namespace Assets.Scripts.Inventory__Items__Pickups.Upgrades
{
    public class UpgradeData : Il2CppSystem.Object
    {
        public List<Assets.Scripts.Inventory__Items__Pickups.Stats.StatModifier> upgradeModifiers { get; set; }
    }
}

namespace Assets.Scripts.Inventory__Items__Pickups.Chests
{
    public class InteractableChest : BaseInteractable
    {
    }
}

namespace Assets.Scripts.UI.InGame.Rewards
{
    public abstract class BaseEncounterWindow : MonoBehaviour
    {
    }
}

namespace Assets.Scripts.Steam
{
    public class Leaderboards : Il2CppSystem.Object
    {
        public static void UploadScore(int score)
        {
        }
    }

    public class SteamStatsManager : Il2CppSystem.Object
    {
        public static void OnStatUpdated(string stat, float value)
        {
        }

        public static void SetCachedStats()
        {
        }

        public static void QueueUpload()
        {
        }

        public static void TryUploadStats()
        {
        }
    }

    public class SteamAchievementsManager : Il2CppSystem.Object
    {
        public static void TryUnlockAchievement(string achievement)
        {
        }

        public static void QueueUpload()
        {
        }

        public static void TryUploadAchievements()
        {
        }
    }
}
