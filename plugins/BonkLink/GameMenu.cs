// The open menu's buttons as IMenu: rectangles on the screen, the one that leads on, the one that leads back.
// Buttons are told by type and object name; captions are translated. An agent never quits the game and never buys:
// such buttons are not offered, in the shop, the settings and the like only the way back is, and what a press calls is
// stopped at the game's own methods for both, whatever its button is named.
using System;
using System.Collections.Generic;
using Il2CppInterop.Runtime.InteropTypes.Arrays;
using UnityEngine;

namespace BonkLink;

public sealed class GameMenu : IMenu
{
    private const int MostIds = 4096;
    private static readonly string[] Forbidden = { "Exit", "Quit", "Purchase", "Buy" };
    private static bool _isPressing;
    private readonly GameScreens _screens;
    private readonly List<MyButton> _buttons = new();
    private readonly Dictionary<int, int> _ids = new();
    private readonly Dictionary<int, MyButton> _byId = new();
    private readonly Il2CppStructArray<Vector3> _corners = new(4);

    public GameMenu(GameScreens screens)
    {
        _screens = screens;
    }

    public string Name => _screens.Menu;

    public int DefaultId => IdOf(Default());

    public int CancelId => IdOf(Cancel());

    public static void Plan(Patches patches)
    {
        var skip = Patches.Own(typeof(GameMenu), nameof(UnlessPressing));
        patches.Add("MainMenu", "ExitGame", skip, null, "an agent may quit the game");
        patches.Add("CharacterMenu", "BuyCharacter", skip, null, "an agent may buy characters");
    }

    public void List(List<MenuButton> into)
    {
        Collect();
        _byId.Clear();
        foreach (var button in _buttons)
        {
            var id = IdOf(button);
            var inner = button.GetButton();
            if (!_byId.TryAdd(id, button) || inner == null)
            {
                continue;
            }
            var (x, y, width, height) = RectOf(button);
            into.Add(new MenuButton(id, x, y, width, height, inner.interactable));
        }
    }

    public void Focus(int id)
    {
        if (_byId.TryGetValue(id, out var button))
        {
            button.GetButton().Select();
        }
    }

    public void Press(int id)
    {
        if (_byId.TryGetValue(id, out var button))
        {
            _isPressing = true;
            try
            {
                button.GetButton().onClick.Invoke();
            }
            finally
            {
                _isPressing = false;
            }
        }
    }

    private void Collect()
    {
        _buttons.Clear();
        if (_ids.Count > MostIds)
        {
            _ids.Clear();
        }
        AddEncounters();
        var window = WindowManager.activeWindow;
        if (window != null && window.allButtons != null)
        {
            foreach (var button in window.allButtons)
            {
                Add(button);
            }
        }
    }

    private void AddEncounters()
    {
        if (_screens.LevelUp is { } levelUp)
        {
            foreach (var card in levelUp.upgradePicker.buttons)
            {
                Add(card);
            }
            Add(levelUp.b_skip);
            Add(levelUp.b_refresh);
            Add(levelUp.b_banish);
            Add(levelUp.b_leave);
        }
        else if (_screens.Chest is { } chest)
        {
            Add(chest.b_open);
            Add(chest.b_take);
            Add(chest.b_leave);
            Add(chest.b_banish);
        }
        else if (_screens.Encounter is { } encounter)
        {
            foreach (var offer in encounter.rarityButtons)
            {
                Add(offer);
            }
            foreach (var offer in encounter.genericButtons)
            {
                Add(offer);
            }
        }
    }

    private void Add(MyButton? button)
    {
        if (button != null && button.gameObject.activeInHierarchy && IsOffered(button))
        {
            _buttons.Add(button);
        }
    }

    private bool IsOffered(MyButton button)
    {
        var name = button.gameObject.name;
        bool Holds(string part) => name.Contains(part, StringComparison.OrdinalIgnoreCase);
        return Name == MenuNames.Sub ? Holds("Back") : !Array.Exists(Forbidden, Holds);
    }

    private static bool UnlessPressing() => !_isPressing;

    private MyButton? Default() => Name switch
    {
        MenuNames.Sub => Named("Back"),
        MenuNames.Character or MenuNames.Map => Named("Confirm") ?? Start(),
        MenuNames.LevelUp => First(b => b.TryCast<UpgradeButton>() != null) ?? Start(),
        MenuNames.Chest => Usable(_screens.Chest?.b_open) ?? Usable(_screens.Chest?.b_take) ?? Start(),
        MenuNames.Encounter => First(b => b.TryCast<EncounterButton>() != null || b.TryCast<UpgradeButton>() != null)
            ?? Start(),
        MenuNames.Pause => Named("Resume") ?? Start(),
        MenuNames.Death => Named("Continue") ?? Start(),
        MenuNames.Results => Named("Restart") ?? Start(),
        _ => Start(),
    };

    private MyButton? Cancel() => Name switch
    {
        MenuNames.Character or MenuNames.Map or MenuNames.Sub => Named("Back"),
        MenuNames.LevelUp => Usable(_screens.LevelUp?.b_skip) ?? Usable(_screens.LevelUp?.b_leave),
        MenuNames.Chest => Usable(_screens.Chest?.b_leave),
        MenuNames.Encounter => Usable(_screens.LevelUp?.b_leave) ?? Named("Leave") ?? Named("Decline"),
        MenuNames.Pause => Named("Resume"),
        _ => null,
    };

    private MyButton? Start()
    {
        var window = WindowManager.activeWindow;
        var start = window == null ? null : Usable(window.startBtn);
        return start != null && IsOffered(start) ? start : First(_ => true);
    }

    private MyButton? Named(string part) =>
        First(b => b.gameObject.name.Contains(part, StringComparison.OrdinalIgnoreCase));

    private MyButton? First(Predicate<MyButton> wanted) => _buttons.Find(b => wanted(b) && Usable(b) != null);

    private static MyButton? Usable(MyButton? button)
    {
        if (button == null || !button.gameObject.activeInHierarchy)
        {
            return null;
        }
        var inner = button.GetButton();
        return inner != null && inner.interactable ? button : null;
    }

    private int IdOf(MyButton? button)
    {
        if (button == null)
        {
            return -1;
        }
        var instance = button.GetInstanceID();
        if (!_ids.TryGetValue(instance, out var id))
        {
            id = _ids.Count;
            _ids.Add(instance, id);
        }
        return id;
    }

    /// <summary>A button's rectangle in screen pixels, origin bottom-left.</summary>
    private (float X, float Y, float Width, float Height) RectOf(MyButton button)
    {
        var rect = button.transform.TryCast<RectTransform>();
        if (rect == null)
        {
            return (0, 0, 0, 0);
        }
        rect.GetWorldCorners(_corners);
        var camera = CameraOf(button.transform);
        var low = RectTransformUtility.WorldToScreenPoint(camera, _corners[0]);
        var high = RectTransformUtility.WorldToScreenPoint(camera, _corners[2]);
        return (low.x, low.y, high.x - low.x, high.y - low.y);
    }

    /// <summary>The camera of the canvas that an element is on; null for one that is drawn over the screen.</summary>
    private static Camera? CameraOf(Transform element)
    {
        for (Transform? at = element; at != null; at = at.parent)
        {
            var canvas = at.GetComponent<Canvas>();
            if (canvas != null)
            {
                var root = canvas.rootCanvas;
                return root.renderMode == RenderMode.ScreenSpaceOverlay ? null : root.worldCamera;
            }
        }
        return null;
    }
}
