// Which screen of the game is open, asked once a frame; names are the wire's. Owns no button.
using Assets.Scripts.Managers;
using Assets.Scripts.UI.InGame.Levelup;
using Assets.Scripts.Utility;

namespace BonkLink;

public sealed class GameScreens
{
    private readonly Field<bool> _isLoading = new(
        "loading", false, () => LoadingScreen.isLoading || MapGenerationController.isGenerating,
        () => MapGenerationController.isGenerating);

    private readonly Field<bool> _isMainMenu = new(
        "main menu", false, () => MapController.IsMainMenu(),
        () => UnityEngine.SceneManagement.SceneManager.GetActiveScene().name == "MainMenu");

    private readonly Field<bool> _isBoot = new(
        "boot", false, () => UnityEngine.SceneManagement.SceneManager.GetActiveScene().name == "BootScene");

    /// <summary>Is the game in its main menu right now?</summary>
    public bool IsMainMenu => _isMainMenu.Read();

    /// <summary>True where a game that ends now takes no human's run along.</summary>
    public bool MayEnd(bool isDriven) => IsMainMenu || (isDriven
        ? Menu is not (MenuNames.Boot or MenuNames.Loading)
        : Menu is MenuNames.Death or MenuNames.Results);

    private readonly Field<string> _window = new(
        "window", "", () => WindowManager.activeWindow == null ? "" : WindowManager.activeWindow.name);

    private readonly Field<bool> _isOver = new(
        "game over", false, () => GameManager.Instance != null && GameManager.Instance.isGameOver);

    private readonly Field<bool> _isPlaying = new(
        "is playing", false, () => GameManager.Instance != null && GameManager.Instance.isPlaying,
        () => GameManager.Instance != null && GameManager.Instance.IsPlaying());

    private readonly Field<bool> _isPaused = new(
        "is paused", false, () => MyTime.paused, () => UiManager.Instance.pause.IsPaused(),
        () => UnityEngine.Time.timeScale < 0.1f);

    private readonly Field<bool> _isPauseMenu = new(
        "pause menu", false, () => UiManager.Instance != null && UiManager.Instance.pause.IsPaused());

    private readonly Field<bool> _areResults = new(
        "results", false, () => UiManager.Instance.deathScreen.statsWindow.activeInHierarchy);

    private readonly Field<LevelupScreen?> _levelUp = new(
        "level-up", null, () => Windows?.levelupScreen?.TryCast<LevelupScreen>());

    private readonly Field<LevelupScreen?> _itemPick = new(
        "item pick", null, () => Windows?.itemPickWindow?.TryCast<LevelupScreen>());

    private readonly Field<ChestWindowUi?> _chest = new(
        "chest", null, () => Windows?.chestWindow?.TryCast<ChestWindowUi>());

    private readonly Field<EncounterUi?> _encounter = new(
        "encounter", null, () => Windows?.genericEncounterWindow?.TryCast<EncounterUi>());

    private readonly Field<bool> _isEncounter = new(
        "encounter open", false, () => Windows != null && Windows.encounterInProgress);

    private static EncounterWindows? Windows =>
        UiManager.Instance == null ? null : UiManager.Instance.encounterWindows;

    /// <summary>The open menu; "" in play.</summary>
    public string Menu { get; private set; } = MenuNames.Loading;

    public bool IsPlaying { get; private set; }

    public bool IsPaused { get; private set; }

    /// <summary>The open level-up screen (Moai and Shady Guy use it too), chest or encounter; null otherwise.</summary>
    public LevelupScreen? LevelUp { get; private set; }

    public ChestWindowUi? Chest { get; private set; }

    public EncounterUi? Encounter { get; private set; }

    public void Refresh()
    {
        LevelUp = null;
        Chest = null;
        Encounter = null;
        Menu = Find();
        IsPlaying = _isPlaying.Read() && !_isOver.Read() && Menu != MenuNames.Loading;
        IsPaused = IsPlaying && _isPaused.Read();
    }

    private string Find()
    {
        if (_isLoading.Read())
        {
            return MenuNames.Loading;
        }
        if (_isBoot.Read())
        {
            return MenuNames.Boot;
        }
        if (_isMainMenu.Read())
        {
            return _window.Read() switch
            {
                "W_Character" => MenuNames.Character,
                "Maps And Stats" => MenuNames.Map,
                "Menu" or "" => MenuNames.Main,
                _ => MenuNames.Sub,
            };
        }
        if (_isOver.Read())
        {
            return _areResults.Read() ? MenuNames.Results : MenuNames.Death;
        }
        if (_isEncounter.Read())
        {
            return FindEncounter();
        }
        return _isPauseMenu.Read() ? MenuNames.Pause : MenuNames.Play;
    }

    private string FindEncounter()
    {
        var levelUp = Open(_levelUp.Read()) ?? Open(_itemPick.Read());
        if (levelUp != null)
        {
            LevelUp = levelUp;
            return LevelupScreen.isLevelingUp ? MenuNames.LevelUp : MenuNames.Encounter;
        }
        var chest = _chest.Read();
        if (chest != null && chest.window != null && chest.window.gameObject.activeInHierarchy)
        {
            Chest = chest;
            return MenuNames.Chest;
        }
        var encounter = _encounter.Read();
        if (encounter != null && encounter.gameObject.activeInHierarchy)
        {
            Encounter = encounter;
        }
        return MenuNames.Encounter;
    }

    private static LevelupScreen? Open(LevelupScreen? screen) =>
        screen != null && screen.window != null && screen.window.activeInHierarchy ? screen : null;
}
