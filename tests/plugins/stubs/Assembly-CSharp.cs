// Stand-in for the game's assembly: the types and members that the plugins use, as public sources name them. They hold
// what the fake game puts into them; what the real ones do is not imitated.
using Il2CppInterop.Runtime.InteropTypes.Arrays;
using Il2CppSystem.Collections.Generic;
using TMPro;
using UnityEngine;
using UnityEngine.UI;

[assembly: System.Runtime.CompilerServices.InternalsVisibleTo("fakegame")]

public class GameManager : MonoBehaviour
{
    public static GameManager Instance { get; set; } = default!;

    public bool isPlaying { get; set; } = default!;

    public bool isGameOver { get; set; } = default!;

    internal bool IsPlayingIs = default!;
    public bool IsPlaying() => IsPlayingIs;

    internal bool IsFinalBossDeadIs = default!;
    public bool IsFinalBossDead() => IsFinalBossDeadIs;

    internal float GetAliveTimeIs = default!;

    public float GetAliveTime() => GetAliveTimeIs;

    internal PlayerInventory? GetPlayerInventoryIs = default!;

    public PlayerInventory? GetPlayerInventory() => GetPlayerInventoryIs;
}

public class MapData : ScriptableObject
{
    public Actors.Enemies.EMap eMap { get; set; }

    public Il2CppReferenceArray<StageData> stages { get; set; }
}

public class StageData : ScriptableObject
{
    public Assets.Scripts.Game.Spawning.New.Timelines.StageTimeline stageTimeline { get; set; }
}

public class MapGenerationController : MonoBehaviour
{
    public static bool isGenerating { get; set; }

    public static int mapSeed { get; set; }

    public int testSeed { get; set; }

    public void Awake() => HarmonyLib.Harmony.Call(typeof(MapGenerationController), "Awake", this, () => { });
}

public class MapGenerator : MonoBehaviour
{
    public static int seed { get; set; }

    internal int Generated;

    public void GenerateMap(int seed) => HarmonyLib.Harmony.Call(
        typeof(MapGenerator), "GenerateMap", this, new object?[] { seed }, given => Generated = (int)given[0]!);
}

public class LoadingScreen : MonoBehaviour
{
    public static bool isLoading { get; set; }
}

public class DataManager : MonoBehaviour
{
    public static DataManager Instance { get; set; } = default!;

    public List<EnemyData> unsortedEnemies { get; set; }

    public List<WeaponData> unsortedWeapons { get; set; }

    public List<CharacterData> unsortedCharacterData { get; set; }

    public List<TomeData> unsortedTomes { get; set; }

    public List<ItemData> unsortedItems { get; set; }

    public List<MapData> maps { get; set; }
}

public class EnemyData : ScriptableObject
{
    public Actors.Enemies.EEnemy enemyName { get; set; }

    public int hp { get; set; }

    public int damage { get; set; }

    public int xp { get; set; }

    public float speed { get; set; }

    public float creditCost { get; set; }

    public float canSpawnAfterTime { get; set; }

    public float colliderRadius { get; set; }

    public float knockbackResistance { get; set; }

    public bool isFlying { get; set; }

    public bool canBeElite { get; set; }

    public Actors.Enemies.EMap maps { get; set; }
}

public class WeaponData : ScriptableObject
{
    public EWeapon eWeapon { get; set; }

    public float damage { get; set; }

    public float knockback { get; set; }

    public float critChance { get; set; }

    public float attackDuration { get; set; }

    public float projectileSpeed { get; set; }

    public float endCooldown { get; set; }

    public float burstTime { get; set; }

    public float minBurstInterval { get; set; }

    public float procCoefficient { get; set; }

    public int projectiles { get; set; }

    public int projectileBounces { get; set; }

    public Assets.Scripts.Inventory__Items__Pickups.Upgrades.UpgradeData upgradeData { get; set; }
}

public class CharacterData : ScriptableObject
{
    public ECharacter eCharacter { get; set; }

    public WeaponData weapon { get; set; }

    public List<Assets.Scripts.Inventory__Items__Pickups.Stats.StatModifier> statModifiers { get; set; }
}

public class TomeData : ScriptableObject
{
    public ETome eTome { get; set; }

    public Assets.Scripts.Inventory__Items__Pickups.Stats.StatModifier statModifier { get; set; }
}

public class SteamLeaderboardsManagerNew
{
    public static void QueueLeaderboardUpload(string board, int score, int details, int extra)
    {
    }

    public static void UploadLeaderboardScore(string board, int score, int details, int extra)
    {
    }
}

public class AlwaysUi : MonoBehaviour
{
    public void OnApplicationFocus(bool focus)
    {
    }
}

public class MainMenu : MonoBehaviour
{
    internal static int Exits;

    public void ExitGame() => HarmonyLib.Harmony.Call(typeof(MainMenu), "ExitGame", this, () => Exits++);
}

public class CharacterMenu : MonoBehaviour
{
    internal static int Bought;

    public void BuyCharacter() => HarmonyLib.Harmony.Call(typeof(CharacterMenu), "BuyCharacter", this, () => Bought++);
}

public class PauseHandler : MonoBehaviour
{
    internal static int Pauses;

    public void OnGameOverlayActivated(int overlay) =>
        HarmonyLib.Harmony.Call(typeof(PauseHandler), "OnGameOverlayActivated", this, () => Pauses++);

    public void OnControllerDisconnected(int controller) =>
        HarmonyLib.Harmony.Call(typeof(PauseHandler), "OnControllerDisconnected", this, () => Pauses++);
}

public class Pickup : MonoBehaviour
{
    public Pickup(System.IntPtr pointer)
    {
    }

    public Pickup()
    {
    }

    public EPickup ePickup { get; set; }
}

public enum EPickup
{
    Xp = 0,
    Gold = 1,
    Health = 2,
    Nuke = 3,
}

public class ItemData : ScriptableObject
{
    public EItem eItem { get; set; }

    public EItemRarity rarity { get; set; }
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
    public static string MoveHorizontal { get; set; } = "Move Horizontal";

    public static string MoveVertical { get; set; } = "Move Vertical";

    public static string Jump { get; set; } = "Jump";

    public static string Slide { get; set; } = "Slide";

    public static string Interact { get; set; } = "Interact";

    public static string JumpBhop { get; set; } = "Jump Bhop";

    public static string Aim { get; set; } = "Aim";

    public static string Wallrun { get; set; } = "Wallrun";

    internal static readonly System.Collections.Generic.HashSet<string> Held = new();
    internal static readonly System.Collections.Generic.Dictionary<string, float> Axes = new();

    /// <summary>Held in the frame before.</summary>
    internal static readonly System.Collections.Generic.HashSet<string> Before = new();

    public static bool GetButton(string action) => Ask("GetButton", action, Held.Contains);

    public static bool GetButtonDown(string action) =>
        Ask("GetButtonDown", action, a => Held.Contains(a) && !Before.Contains(a));

    public static bool GetButtonUp(string action) =>
        Ask("GetButtonUp", action, a => !Held.Contains(a) && Before.Contains(a));

    private static bool Ask(string query, string action, System.Func<string, bool> answer) =>
        (bool)HarmonyLib.Harmony.Call(
            typeof(MyInputManager), query, null, new object?[] { action }, given => answer((string)given[0]!))!;

    public static float GetAxis(string action) => Axes.TryGetValue(action, out var value) ? value : 0;
}

public class PlayerInput : MonoBehaviour
{
    public float moveHorizontal { get; set; }

    public float moveVertical { get; set; }

    public bool jumping { get; set; }

    public bool holdingJump { get; set; }

    public bool holdingWallrun { get; set; }

    public bool sliding { get; set; }

    public bool aiming { get; set; }

    public bool interacting { get; set; }

    public int currentJumpBufferTick { get; set; }

    public int jumpBufferTicks { get; set; } = 4;

    public bool hasWallrunActionBound { get; set; }

    public Vector3 cameraRotation { get; set; }

    public Vector3 desiredCameraRotation { get; set; }

    public void MovementInput()
    {
    }

    public void AbilityInput()
    {
    }
}

public class PlayerMovement : MonoBehaviour
{
    internal Vector3 GetVelocityIs = default!;

    public Vector3 GetVelocity() => GetVelocityIs;

    internal Rigidbody GetRbIs = default!;

    public Rigidbody GetRb() => GetRbIs;
}

public class PlayerCamera : MonoBehaviour
{
    public static PlayerCamera Instance { get; set; } = default!;

    public Camera camera { get; set; }

    public void CameraInput(Vector3 playerRotation)
    {
    }
}

public class PlayerInventory : Il2CppSystem.Object
{
    public Assets.Scripts.Inventory__Items__Pickups.PlayerHealth playerHealth { get; set; }

    public Inventory__Items__Pickups.Xp_and_Levels.PlayerXp playerXp { get; set; }

    public float gold { get; set; } = default!;

    public int goldInt { get; set; } = default!;

    internal int GetCharacterLevelIs = default!;

    public int GetCharacterLevel() => GetCharacterLevelIs;
}

public class UiManager : MonoBehaviour
{
    public static UiManager Instance { get; set; } = default!;

    public DeathScreen deathScreen { get; set; }

    public PauseUi pause { get; set; }

    public Assets.Scripts.UI.InGame.Levelup.EncounterWindows? encounterWindows { get; set; }
}

public static class WindowManager
{
    public static Window? activeWindow { get; set; }
}

public class Window : MonoBehaviour
{
    public MyButton? startBtn { get; set; }

    public List<MyButton>? allButtons { get; set; }
}

public abstract class MyButton : MonoBehaviour
{
    internal Button Inner = new();

    public Button GetButton() => Inner;
}

public class MyButtonNormal : MyButton
{
}

public class MyButtonOffersUtility : MyButton
{
}

public class EncounterButton : MyButton
{
    public TextMeshProUGUI t_description { get; set; }

    public TextMeshProUGUI t_rarity { get; set; }
}

public class UpgradeButton : MyButton
{
    public TextMeshProUGUI t_name { get; set; }

    public TextMeshProUGUI t_description { get; set; }

    public TextMeshProUGUI t_level { get; set; }

    public TextMeshProUGUI t_rarity { get; set; }
}

public class UpgradePicker : MonoBehaviour
{
    public Il2CppReferenceArray<UpgradeButton> buttons { get; set; }
}

public class PauseUi : MonoBehaviour
{
    internal bool IsPausedIs = default!;

    public bool IsPaused() => IsPausedIs;
}

public class DeathScreen : MonoBehaviour
{
    public GameObject statsWindow { get; set; }

    public GameObject victoryScreen { get; set; }

    public bool tierVictory { get; set; }
}

public class LevelupScreen : Assets.Scripts.UI.InGame.Rewards.BaseEncounterWindow
{
    public static bool isLevelingUp { get; set; }

    public GameObject? window { get; set; }

    public UpgradePicker upgradePicker { get; set; }

    public MyButtonOffersUtility? b_skip { get; set; }

    public MyButtonOffersUtility? b_refresh { get; set; }

    public MyButtonOffersUtility? b_banish { get; set; }

    public MyButtonNormal? b_leave { get; set; }
}

public class EncounterUi : Assets.Scripts.UI.InGame.Rewards.BaseEncounterWindow
{
    public List<EncounterButton> genericButtons { get; set; }

    public List<EncounterButton> rarityButtons { get; set; }
}

public class ChestWindowUi : Assets.Scripts.UI.InGame.Rewards.BaseEncounterWindow
{
    public TextMeshProUGUI t_itemName { get; set; }

    public TextMeshProUGUI t_itemDesc { get; set; }

    public TextMeshProUGUI t_itemRarity { get; set; }

    public MyButtonOffersUtility? b_banish { get; set; }

    public MyButton? b_open { get; set; }

    public MyButton? b_leave { get; set; }

    public MyButton? b_take { get; set; }

    public Window? window { get; set; }
}

public class SaveManager : MonoBehaviour
{
    public static SaveManager? Instance { get; set; } = default!;

    public Assets.Scripts.Settings___Saves.SaveFiles.ConfigSaves.ConfigSaveFile? config { get; set; }

    /// <summary>The upload setting as it was saved last.</summary>
    internal int? Saved;

    public void SaveConfig() => Saved = config?.cfGameSettings?.upload_score_to_leaderboard;
}
