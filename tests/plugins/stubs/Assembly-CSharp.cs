// Stand-in for the game's assembly: the types and members that the plugins use, as public sources name them. They hold
// what the fake game puts into them; what the real ones do is not imitated.
using Il2CppInterop.Runtime.InteropTypes.Arrays;
using Il2CppSystem.Collections.Generic;
using TMPro;
using UnityEngine;
using UnityEngine.UI;

public class GameManager : MonoBehaviour
{
    public static GameManager Instance { get; set; } = default!;

    public bool isPlaying { get; set; } = default!;

    public bool isGameOver { get; set; } = default!;

    public bool IsPlayingIs = default!;

    public bool IsPlaying() => IsPlayingIs;

    public bool IsFinalBossDeadIs = default!;

    public bool IsFinalBossDead() => IsFinalBossDeadIs;

    public float GetAliveTimeIs = default!;

    public float GetAliveTime() => GetAliveTimeIs;

    public PlayerInventory? GetPlayerInventoryIs = default!;

    public PlayerInventory? GetPlayerInventory() => GetPlayerInventoryIs;
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

    public void GenerateMap(int seed)
    {
    }
}

public class LoadingScreen : MonoBehaviour
{
    public static bool isLoading;
}

public class DataManager : MonoBehaviour
{
    public static DataManager Instance { get; set; } = default!;

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

public class SteamLeaderboardsManagerNew
{
    public static int Uploads;

    public static void QueueLeaderboardUpload() => Uploads++;

    public static void UploadLeaderboardScore() => Uploads++;
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

public class InteractableChest : MonoBehaviour
{
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
    public static string MoveHorizontal { get; set; } = "Move Horizontal";

    public static string MoveVertical { get; set; } = "Move Vertical";

    public static string Jump { get; set; } = "Jump";

    public static string Slide { get; set; } = "Slide";

    public static string Interact { get; set; } = "Interact";

    public static readonly System.Collections.Generic.HashSet<string> Held = new();
    public static readonly System.Collections.Generic.Dictionary<string, float> Axes = new();

    public static bool GetButton(string action) => Held.Contains(action);

    public static float GetAxis(string action) => Axes.TryGetValue(action, out var value) ? value : 0;
}

public class PlayerInput : MonoBehaviour
{
    public float moveHorizontal, moveVertical;
    public bool jumping, holdingJump, holdingWallrun, sliding, aiming, interacting;
    public int currentJumpBufferTick;
    public Vector3 cameraRotation, desiredCameraRotation;

    public void MovementInput()
    {
    }
}

public class PlayerMovement : MonoBehaviour
{
    public Vector3 GetVelocityIs = default!;

    public Vector3 GetVelocity() => GetVelocityIs;

    public Rigidbody GetRbIs = default!;

    public Rigidbody GetRb() => GetRbIs;
}

public class PlayerCamera : MonoBehaviour
{
    public static PlayerCamera Instance { get; set; } = default!;

    public Camera camera;

    public void CameraInput(Vector3 playerRotation)
    {
    }
}

public class PlayerInventory : Il2CppSystem.Object
{
    public Assets.Scripts.Inventory__Items__Pickups.PlayerHealth playerHealth;
    public Inventory__Items__Pickups.Xp_and_Levels.PlayerXp playerXp;

    public float gold { get; set; } = default!;

    public int goldInt { get; set; } = default!;

    public int GetCharacterLevelIs = default!;

    public int GetCharacterLevel() => GetCharacterLevelIs;
}

public class UiManager : MonoBehaviour
{
    public static UiManager Instance { get; set; } = default!;

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
    public Button Inner = new();

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
    public bool IsPausedIs = default!;

    public bool IsPaused() => IsPausedIs;
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
    public static SaveManager? Instance { get; set; } = default!;

    public Assets.Scripts.Saves___Serialization.SaveFiles.ConfigSaveFile? config;
}
