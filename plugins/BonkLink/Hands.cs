// Whose actions count, and what becomes of them between two ticks: newest wins, presses are kept until the tick,
// silence is neutral. The first client that acts owns the game until it leaves. Another takes it over only where it
// went on acting for LapseS while the owner sent nothing: two that both act never alternate.
// Written by the socket's threads, read by the game's; the lock covers a few assignments only.
namespace BonkLink;

public sealed class Hands
{
    public const double HoldS = 0.15, LapseS = 5, RivalGapS = 1;
    private readonly object _lock = new();
    private AgentAction _newest;
    private double _receivedS = double.NegativeInfinity, _rivalS = double.NegativeInfinity;
    private double _rivalSinceS;
    private bool _fire, _ability, _interact, _click;
    private int _clickX, _clickY, _owner, _rival, _fires, _abilities, _interactions;

    /// <summary>Actions of the owner since it owns the game; 0 without an owner.</summary>
    public long Received { get; private set; }

    /// <summary>Actions that counted, of all owners together.</summary>
    public long Counted { get; private set; }

    /// <summary>The client whose actions count; 0 where nobody acted yet.</summary>
    public int Owner
    {
        get
        {
            lock (_lock)
            {
                return _owner;
            }
        }
    }

    /// <summary>The client is gone; where it owned the game, nothing of it lingers.</summary>
    public void Leave(int client)
    {
        lock (_lock)
        {
            if (client == _owner)
            {
                Adopt(0);
            }
        }
    }

    /// <summary>One action; false where another client owns the game, and it does not count.</summary>
    public bool Receive(int client, in AgentAction action, double nowS)
    {
        lock (_lock)
        {
            if (client != _owner && !MayOwn(client, nowS))
            {
                return false;
            }
            if (client != _owner)
            {
                Adopt(client);
            }
            _rivalS = double.NegativeInfinity;
            Received++;
            Counted++;
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
            return true;
        }
    }

    private bool MayOwn(int client, double nowS)
    {
        if (_owner == 0)
        {
            return true;
        }
        var rests = nowS - _rivalS > RivalGapS;
        if (client != _rival && !rests)
        {
            return false;
        }
        (_rival, _rivalSinceS) = rests ? (client, nowS) : (_rival, _rivalSinceS);
        _rivalS = nowS;
        return nowS - _rivalSinceS >= LapseS;
    }

    private void Adopt(int owner)
    {
        _owner = owner;
        Received = 0;
        _newest = default;
        _receivedS = double.NegativeInfinity;
        _rivalS = double.NegativeInfinity;
        _fire = _ability = _interact = _click = false;
        _fires = _abilities = _interactions = 0;
    }

    /// <summary>When the newest action of the owner came.</summary>
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
            if (nowS + tickS - _receivedS > HoldS)
            {
                // For good: after a long frame comes a short one, in which the same action would begin once more.
                _newest = default;
            }
            var action = _newest;
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
