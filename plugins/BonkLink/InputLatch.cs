// The human's input between two packets: walking as it is now; the widest turn, presses and the click kept until sent.
namespace BonkLink;

public sealed class InputLatch
{
    private HumanInput _now;
    private bool _fire, _ability, _interact, _click;
    private float _clickX, _clickY, _lookX, _lookY;

    /// <summary>What the human does in this frame of the game.</summary>
    public void Sample(in HumanInput human)
    {
        _now = human;
        _fire |= human.Fire;
        _ability |= human.Ability;
        _interact |= human.Interact;
        _lookX = Wider(_lookX, human.LookX);
        _lookY = Wider(_lookY, human.LookY);
        if (human.Click)
        {
            _click = true;
            _clickX = human.ClickX;
            _clickY = human.ClickY;
        }
    }

    /// <summary>What a packet carries; what was latched is released.</summary>
    public HumanInput Take()
    {
        var human = _now;
        human.Version = 1;
        human.Fire = _fire;
        human.Ability = _ability;
        human.Interact = _interact;
        human.Click = _click;
        (human.LookX, human.LookY) = (_lookX, _lookY);
        (_lookX, _lookY) = (0, 0);
        human.ClickX = _click ? _clickX : human.ClickX;
        human.ClickY = _click ? _clickY : human.ClickY;
        _fire = _ability = _interact = _click = false;
        return human;
    }

    private static float Wider(float before, float now) =>
        System.Math.Abs(now) >= System.Math.Abs(before) ? now : before;
}
