// One button between actions, which come at any time, and the game's fixed steps, which read it. Each press is seen by
// a fixed step exactly once, however many frames or fixed steps lie between; so is each release between two presses
// where presses are told apart by it. No Unity.
using System;

namespace BonkLink;

public sealed class ButtonLatch
{
    /// <summary>Presses that wait; more than these come faster than the game can take them, and are one.</summary>
    public const int MostPending = 8;

    private readonly bool _needsRelease;
    private bool _held;
    private int _pending;
    private long _changed = -2;

    /// <summary>needsRelease: the game sees a press only after it saw the button up.</summary>
    public ButtonLatch(bool needsRelease)
    {
        _needsRelease = needsRelease;
    }

    /// <summary>The button as the game is to see it.</summary>
    public bool IsDown { get; private set; }

    /// <summary>What came since the call before: whether it is held now, and how often it was pressed.</summary>
    public void Set(bool held, int presses)
    {
        _held = held;
        _pending = Math.Min(MostPending, _pending + presses);
    }

    /// <summary>Up, and nothing waits.</summary>
    public void Clear() => (_held, _pending, IsDown) = (false, 0, false);

    /// <summary>
    /// What the game's next step sees; true where a press begins. `halfSteps` is even within a fixed step and odd
    /// between two: what changed is seen for sure two later, whether the game's own step runs before or after the call.
    /// </summary>
    public bool Frame(long halfSteps)
    {
        if (halfSteps - _changed < 2)
        {
            return false;
        }
        var presses = _pending > 0 && !(IsDown && _needsRelease);
        var down = presses || (_held && _pending == 0);
        if (presses || down != IsDown)
        {
            _changed = halfSteps;
        }
        _pending -= presses ? 1 : 0;
        IsDown = down;
        return presses;
    }
}
