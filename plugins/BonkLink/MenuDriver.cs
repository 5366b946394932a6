// Drives menus with actions: fire submits, ability cancels, move moves the focus, a click presses what lies under it.
// Owns the focus's edges and repeats; the menu itself is behind IMenu.
using System;
using System.Collections.Generic;

namespace BonkLink;

/// <summary>The menu that is open, as a game offers it.</summary>
public interface IMenu
{
    /// <summary>One of MenuNames; "" when none is open.</summary>
    string Name { get; }

    /// <summary>The open menu's buttons in drawing order, in screen pixels.</summary>
    void List(List<MenuButton> into);

    /// <summary>The button that leads on, and the one that leads back; −1 where there is none.</summary>
    int DefaultId { get; }

    int CancelId { get; }

    /// <summary>Show a button as focused; −1 focuses none.</summary>
    void Focus(int id);

    /// <summary>Press a button once.</summary>
    void Press(int id);
}

public sealed class MenuDriver
{
    public const double RepeatS = 0.3;
    public const float MoveThreshold = 0.5f;
    private readonly List<MenuButton> _buttons = new();
    private string _menu = MenuNames.Play;
    private int _focus = -1, _moveX, _moveY;
    private double _movedS;
    private bool _fire, _ability;

    /// <summary>Buttons pressed so far.</summary>
    public int Presses { get; private set; }

    /// <summary>One tick's action on the open menu. A press held since before the menu opened is none.</summary>
    public void Apply(
        IMenu menu, in AgentAction action, int captureW, int captureH, int screenW, int screenH, double nowS)
    {
        // A release and a press between two ticks leave the button down, and are a press all the same.
        var submit = action.FirePresses > 0 || (action.Fire && !_fire);
        var cancel = action.AbilityPresses > 0 || (action.Ability && !_ability);
        _fire = action.Fire;
        _ability = action.Ability;
        if (menu.Name != _menu)
        {
            _menu = menu.Name;
            _focus = -1;
            (_moveX, _moveY) = Direction(action);
            _movedS = nowS;
        }
        if (_menu == MenuNames.Play)
        {
            return;
        }
        _buttons.Clear();
        menu.List(_buttons);
        if (action.Click)
        {
            var (x, y) = ClickMap.ToScreen(action.ClickX, action.ClickY, captureW, captureH, screenW, screenH);
            var under = ClickMap.Under(_buttons, x, y);
            if (under >= 0 && _buttons[under].Enabled)
            {
                Press(menu, _buttons[under].Id);
            }
            return;
        }
        Steer(menu, action, nowS);
        if (submit)
        {
            Press(menu, IndexOf(_focus) >= 0 ? _focus : menu.DefaultId);
        }
        else if (cancel)
        {
            Press(menu, menu.CancelId);
        }
    }

    private void Press(IMenu menu, int id)
    {
        if (id >= 0)
        {
            Presses++;
            menu.Press(id);
        }
    }

    private void Steer(IMenu menu, in AgentAction action, double nowS)
    {
        var (x, y) = Direction(action);
        var edge = x != _moveX || y != _moveY;
        if ((x, y) != (0, 0) && (edge || nowS - _movedS >= RepeatS))
        {
            _movedS = nowS;
            var from = IndexOf(_focus >= 0 ? _focus : menu.DefaultId);
            var next = from >= 0 ? ClickMap.Next(_buttons, _buttons[from], x, y) : (_buttons.Count > 0 ? 0 : -1);
            if (next >= 0)
            {
                _focus = _buttons[next].Id;
                menu.Focus(_focus);
            }
        }
        (_moveX, _moveY) = (x, y);
    }

    private int IndexOf(int id) => id < 0 ? -1 : _buttons.FindIndex(b => b.Id == id && b.Enabled);

    private static (int X, int Y) Direction(in AgentAction action)
    {
        float x = Math.Abs(action.MoveX), y = Math.Abs(action.MoveY);
        if (Math.Max(x, y) < MoveThreshold)
        {
            return (0, 0);
        }
        return x > y ? (Math.Sign(action.MoveX), 0) : (0, Math.Sign(action.MoveY));
    }
}
