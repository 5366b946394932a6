// Stub: the game's types and members that the plugins use, as public sources name them. For the compiler only.
using Il2CppInterop.Runtime.InteropTypes.Arrays;
using Il2CppSystem.Collections.Generic;
using TMPro;
using UnityEngine;
using UnityEngine.UI;

public class GameManager : MonoBehaviour
{
    public static GameManager Instance => throw null!;

    public bool isPlaying => throw null!;

    public bool isGameOver => throw null!;

    public bool IsPlaying() => throw null!;

    public bool IsFinalBossDead() => throw null!;

    public float GetAliveTime() => throw null!;

    public PlayerInventory? GetPlayerInventory() => throw null!;
}

public class MapData : ScriptableObject
{
    public Actors.Enemies.EMap eMap;
    public Il2CppReferenceArray<StageData> stages;
}

public class StageData : ScriptableObject
{
    public Assets.Scripts.Game.Spawning.New.Timelines.StageTimeline stageTimeline;
}

public class MapGenerationController : MonoBehaviour
{
    public static bool isGenerating;
    public static int mapSeed;
    public static int testSeed;
}

public class MapGenerator : MonoBehaviour
{
    public static int seed;

    public void GenerateMap(int seed) => throw null!;
}

public class LoadingScreen : MonoBehaviour
{
    public static bool isLoading;
}

public class DataManager : MonoBehaviour
{
    public static DataManager Instance => throw null!;

    public List<Actors.Enemies.EnemyData> unsortedEnemies;
    public List<WeaponData> unsortedWeapons;
    public List<CharacterData> unsortedCharacterData;
    public List<TomeData> unsortedTomes;
    public List<ItemData> unsortedItems;
    public List<MapData> maps;
}

public class WeaponData : ScriptableObject
{
    public EWeapon eWeapon;
    public float damage, knockback, critChance, attackDuration, projectileSpeed, endCooldown, burstTime;
    public float minBurstInterval, procCoefficient;
    public int projectiles, projectileBounces;
    public UpgradeData upgradeData;
}

public class UpgradeData : Il2CppSystem.Object
{
    public List<Assets.Scripts.Inventory__Items__Pickups.Stats.StatModifier> upgradeModifiers;
}

public class CharacterData : ScriptableObject
{
    public ECharacter eCharacter;
    public WeaponData weapon;
    public List<Assets.Scripts.Inventory__Items__Pickups.Stats.StatModifier> statModifiers;
}

public class TomeData : ScriptableObject
{
    public ETome eTome;
    public Assets.Scripts.Inventory__Items__Pickups.Stats.StatModifier statModifier;
}

public class ItemData : ScriptableObject
{
    public EItem eItem;
    public EItemRarity rarity;
}

public enum EWeapon
{
    FireStaff = 0,
}

public enum ECharacter
{
    Fox = 0,
}

public enum ETome
{
    Damage = 0,
}

public enum EItem
{
    Key = 0,
}

public enum EItemRarity
{
    Common = 0,
}

public class MyInputManager : MonoBehaviour
{
    public static string MoveHorizontal => throw null!;

    public static string MoveVertical => throw null!;

    public static string Jump => throw null!;

    public static string Slide => throw null!;

    public static string Interact => throw null!;

    public static bool GetButton(string action) => throw null!;

    public static float GetAxis(string action) => throw null!;
}

public class PlayerInput : MonoBehaviour
{
    public float moveHorizontal, moveVertical;
    public bool jumping, holdingJump, holdingWallrun, sliding, aiming, interacting;
    public int currentJumpBufferTick;
    public Vector3 cameraRotation, desiredCameraRotation;

    public void MovementInput() => throw null!;
}

public class PlayerMovement : MonoBehaviour
{
    public Vector3 GetVelocity() => throw null!;

    public Rigidbody GetRb() => throw null!;
}

public class PlayerCamera : MonoBehaviour
{
    public static PlayerCamera Instance => throw null!;

    public Camera camera;

    public void CameraInput(Vector3 playerRotation) => throw null!;
}

public class PlayerInventory : Il2CppSystem.Object
{
    public Assets.Scripts.Inventory__Items__Pickups.PlayerHealth playerHealth;
    public Inventory__Items__Pickups.Xp_and_Levels.PlayerXp playerXp;

    public float gold => throw null!;

    public int goldInt => throw null!;

    public int GetCharacterLevel() => throw null!;
}

public class UiManager : MonoBehaviour
{
    public static UiManager Instance => throw null!;

    public DeathScreen deathScreen;
    public PauseUi pause;
    public Assets.Scripts.UI.InGame.Levelup.EncounterWindows? encounterWindows;
}

public static class WindowManager
{
    public static Window? activeWindow;
}

public class Window : MonoBehaviour
{
    public MyButton? startBtn;
    public List<MyButton>? allButtons;
}

public abstract class MyButton : MonoBehaviour
{
    public Button GetButton() => throw null!;
}

public class MyButtonNormal : MyButton
{
}

public class MyButtonOffersUtility : MyButton
{
}

public class EncounterButton : MyButton
{
    public TextMeshProUGUI t_description, t_rarity;
}

public class UpgradeButton : MyButton
{
    public TextMeshProUGUI t_name, t_description, t_level, t_rarity;
}

public class UpgradePicker : MonoBehaviour
{
    public Il2CppReferenceArray<UpgradeButton> buttons;
}

public class PauseUi : MonoBehaviour
{
    public bool IsPaused() => throw null!;
}

public class DeathScreen : MonoBehaviour
{
    public GameObject statsWindow, victoryScreen;
}

public abstract class BaseEncounterWindow : MonoBehaviour
{
}

public class LevelupScreen : BaseEncounterWindow
{
    public static bool isLevelingUp;
    public GameObject? window;
    public UpgradePicker upgradePicker;
    public MyButtonOffersUtility? b_skip, b_refresh, b_banish;
    public MyButtonNormal? b_leave;
}

public class EncounterUi : BaseEncounterWindow
{
    public List<EncounterButton> genericButtons, rarityButtons;
}

public class ChestWindowUi : BaseEncounterWindow
{
    public TextMeshProUGUI t_itemName, t_itemDesc, t_itemRarity;
    public MyButtonOffersUtility? b_banish;
    public MyButton? b_open, b_leave, b_take;
    public Window? window;
}

public class SaveManager : MonoBehaviour
{
    public static SaveManager? Instance => throw null!;

    public Assets.Scripts.Saves___Serialization.SaveFiles.ConfigSaveFile? config;
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

        public static bool IsMainMenu() => throw null!;

        public static void RestartRun() => throw null!;

        public static void StartNewMap(Game.Other.RunConfig newRunConfig) => throw null!;
    }

    public class EnemyManager : MonoBehaviour
    {
        public static EnemyManager Instance => throw null!;

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

        public RunConfig() => throw null!;
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
        public static MyPlayer Instance => throw null!;

        public PlayerMovement playerMovement;
        public PlayerInput playerInput;
        public PlayerInventory inventory;
        public Transform feet;

        public bool IsDead() => throw null!;

        public Vector3 GetFeetPosition() => throw null!;
    }
}

namespace Assets.Scripts.Actors.Enemies
{
    public class Enemy : MonoBehaviour
    {
        public global::Actors.Enemies.EnemyData enemyData => throw null!;

        public float hp => throw null!;

        public uint id => throw null!;

        public bool IsDead() => throw null!;

        public bool IsBoss() => throw null!;

        public bool IsStageBoss() => throw null!;

        public bool IsElite() => throw null!;

        public Vector3 GetCenterPosition() => throw null!;
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
        public static float GetBaseValue(Menu.Shop.EStat stat) => throw null!;
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

        public static float CurrentLevelProgress(int currentXp) => throw null!;
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

        public static int GetStat(EMyStat stat) => throw null!;

        public static int GetStat(string stat) => throw null!;
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

        public bool encounterInProgress => throw null!;
    }
}
