// What becomes of actions between two ticks: newest wins, presses are kept until the tick, silence is neutral.
// Written by the socket's threads, read by the game's; the lock covers a few assignments only.
namespace BonkLink;

public sealed class Hands
{
    public const double HoldS = 0.15;
    private readonly object _lock = new();
    private AgentAction _newest;
    private double _receivedS = double.NegativeInfinity;
    private bool _fire, _ability, _interact, _click;
    private int _clickX, _clickY, _owner, _fires, _abilities, _interactions;

    /// <summary>Actions applied since the current client came.</summary>
    public long Received { get; private set; }

    /// <summary>From now on only actions of this owner count; nothing of another lingers.</summary>
    public void Adopt(int owner)
    {
        lock (_lock)
        {
            _owner = owner;
            Received = 0;
            _newest = default;
            _receivedS = double.NegativeInfinity;
            _fire = _ability = _interact = _click = false;
            _fires = _abilities = _interactions = 0;
        }
    }

    public void Receive(int owner, in AgentAction action, double nowS)
    {
        lock (_lock)
        {
            if (owner != _owner)
            {
                return;
            }
            Received++;
            var before = nowS - _receivedS <= HoldS ? _newest : default;
            _fires += action.Fire && !before.Fire ? 1 : 0;
            _abilities += action.Ability && !before.Ability ? 1 : 0;
            _interactions += action.Interact && !before.Interact ? 1 : 0;
            _newest = action;
            _receivedS = nowS;
            _fire |= action.Fire;
            _ability |= action.Ability;
            _interact |= action.Interact;
            if (action.Click)
            {
                _click = true;
                _clickX = action.ClickX;
                _clickY = action.ClickY;
            }
        }
    }

    /// <summary>When the newest action of the current client came.</summary>
    public double ReceivedS
    {
        get
        {
            lock (_lock)
            {
                return _receivedS;
            }
        }
    }

    /// <summary>
    /// The action of the tick at `nowS` that lasts `tickS`; what was latched is released. An action is not begun that
    /// would be held beyond its time.
    /// </summary>
    public AgentAction Take(double nowS, double tickS)
    {
        lock (_lock)
        {
            var action = nowS + tickS - _receivedS <= HoldS ? _newest : default;
            action.Fire |= _fire;
            action.Ability |= _ability;
            action.Interact |= _interact;
            action.Click = _click;
            action.ClickX = _click ? _clickX : 0;
            action.ClickY = _click ? _clickY : 0;
            (action.FirePresses, action.AbilityPresses, action.InteractPresses) = (_fires, _abilities, _interactions);
            _fire = _ability = _interact = _click = false;
            _fires = _abilities = _interactions = 0;
            return action;
        }
    }
}
