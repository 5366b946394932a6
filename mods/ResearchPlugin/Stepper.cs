// Lock-step over the shared memory: the game waits for an action, unless the client is dead or silent. No Unity.
// The game asks Poll what to do next and calls Complete when it did; it owns time and rules, this owns the protocol.
using System;

namespace ResearchPlugin;

public enum Order
{
    /// <summary>Stand still and ask again soon.</summary>
    Wait,

    /// <summary>Advance one step with the action, then Complete.</summary>
    Step,

    /// <summary>Begin a new run with the same seed, then Complete.</summary>
    Restart,

    /// <summary>Nobody steers in lock-step: run at the normal pace, with neutral input.</summary>
    RunOn,
}

public sealed class Stepper
{
    private readonly SharedFrame _frame;
    private readonly Func<double> _nowS;
    private readonly Action<string> _log;
    private readonly double _deadS, _patienceS;
    private readonly RewardRule _reward;
    private double _heardS, _beatS;
    private uint _beats;
    private int _step;
    private bool _restarted, _done, _begun;
    private byte[] _last = Array.Empty<byte>();
    private int _lastTimeMs;

    /// <summary>
    /// deadS: without an action and without a heartbeat for so long, the client is dead. patienceS: without an action
    /// for so long, heartbeats do not help any more.
    /// </summary>
    public Stepper(
        SharedFrame frame, RewardTable table, Func<double> nowS, Action<string> log, double deadS = 0.5,
        double patienceS = 60)
    {
        _reward = new RewardRule(table);
        (_frame, _nowS, _log, _deadS, _patienceS) = (frame, nowS, log, deadS, patienceS);
        _beats = frame.ClientBeats;
    }

    public GameStatus Status => _frame.Status;

    /// <summary>What the game is to do now.</summary>
    public Order Poll(out ResearchAction action)
    {
        action = default;
        switch (_frame.Flag)
        {
            case Flags.Action:
                Hear();
                if (_done)
                {
                    _frame.Flag = Flags.Wait;
                    _frame.Publish(0, true, _step, _lastTimeMs, _last);
                    return Order.Wait;
                }
                action = _frame.ReadAction();
                _frame.Flag = Flags.Wait;
                return Order.Step;
            case Flags.Reset:
                Hear();
                _frame.Flag = Flags.Wait;
                _restarted = true;
                return Order.Restart;
            case Flags.Terminated:
                Part();
                return Order.RunOn;
            default:
                return Listen();
        }
    }

    /// <summary>The step or the restart was done: say what came of it.</summary>
    public void Complete(ReadOnlySpan<byte> rgb, in RunCounters counters)
    {
        if (_restarted || !_begun)
        {
            _reward.Begin(counters);
            _step = 0;
            _done = false;
            _begun = true;
        }
        else
        {
            _step++;
        }
        var reward = _restarted ? 0 : _reward.Of(counters);
        _restarted = false;
        _done |= counters.Ended;
        _lastTimeMs = counters.TimeMs;
        if (_done)
        {
            _last = rgb.ToArray();
        }
        _heardS = _nowS();
        _frame.Publish(reward, _done, _step, counters.TimeMs, rgb);
    }

    /// <summary>What a client asked for cannot be done: the game runs on until the client asks again.</summary>
    public void GiveUp(string why)
    {
        _restarted = false;
        Become(GameStatus.RunsOn, why);
    }

    /// <summary>
    /// True where the client that waits for a new run said goodbye, or its heartbeats ended. One without heartbeats
    /// cannot say anything while it waits.
    /// </summary>
    public bool HasLeft()
    {
        if (_frame.Flag == Flags.Terminated)
        {
            Part();
        }
        else if (Beats() - _beatS > _deadS && _beats != 0)
        {
            Become(GameStatus.RunsOn, "the client that asked for a new run is gone; the game runs on by itself");
        }
        _restarted &= _frame.Status == GameStatus.LockStep;
        return _frame.Status != GameStatus.LockStep;
    }

    private void Part()
    {
        _frame.Flag = Flags.Wait;
        Become(GameStatus.NoClient, "the client said goodbye; the game runs on");
    }

    private void Hear()
    {
        _heardS = _beatS = _nowS();
        Become(GameStatus.LockStep, "a client steers in lock-step");
    }

    private Order Listen()
    {
        if (_frame.Status != GameStatus.LockStep)
        {
            return Order.RunOn;
        }
        var now = Beats();
        var quietS = now - Math.Max(_heardS, _beatS);
        if (quietS <= _deadS && now - _heardS <= _patienceS)
        {
            return Order.Wait;
        }
        Become(GameStatus.RunsOn, $"no action and no heartbeat for {quietS:0.0} s; the game runs on by itself");
        return Order.RunOn;
    }

    /// <summary>Look for a heartbeat; returns now.</summary>
    private double Beats()
    {
        var now = _nowS();
        var beats = _frame.ClientBeats;
        (_beatS, _beats) = beats == _beats ? (_beatS, _beats) : (now, beats);
        return now;
    }

    private void Become(GameStatus status, string why)
    {
        if (_frame.Status != status)
        {
            _frame.Status = status;
            _log(why);
        }
    }
}
