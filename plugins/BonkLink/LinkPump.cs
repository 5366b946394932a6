// One game and one server, tick by tick on the game's thread: the action in, the state and the picture out.
// Owns pace, sequence numbers, and what packets that could not be sent would have said, client by client. No Unity.
using System;

namespace BonkLink;

/// <summary>What a game must offer; called on the game's thread only.</summary>
public interface IGame
{
    /// <summary>Do what the action says, for one tick of `seconds`.</summary>
    void Apply(in AgentAction action, float seconds, double nowS);

    /// <summary>Fill the record with the state of this tick; reward, ended and won are since the call before.</summary>
    void Read(StateRecord state);

    /// <summary>Begin to take a picture; its pixels are submitted to the encoder later.</summary>
    void RequestFrame();

    (int Width, int Height) ScreenSize { get; }
}

public sealed class PumpOptions
{
    public double UpdateHz = 60, FrameHz = 10;
    public int CaptureWidth = 320, CaptureHeight = 180;
    public bool SendsHuman;
}

public sealed class LinkPump
{
    private readonly IGame _game;
    private readonly LinkServer _server;
    private readonly Hands _hands;
    private readonly FrameEncoder _frames;
    private readonly InputLatch _human;
    private readonly PumpOptions _options;
    private readonly StateRecord _state = new();
    private double _sendDueS = double.NegativeInfinity, _frameDueS = double.NegativeInfinity, _tickS;
    private double _lastTickS = double.NaN;
    private long _picture;

    public LinkPump(
        IGame game, LinkServer server, Hands hands, FrameEncoder frames, InputLatch human, PumpOptions options)
    {
        (_game, _server, _hands, _frames, _human, _options) = (game, server, hands, frames, human, options);
    }

    public uint Sequence { get; private set; }

    public long Packets { get; private set; }

    public long Skipped { get; private set; }

    /// <summary>True while a client owns the game.</summary>
    public bool IsDriven => _hands.Received > 0;

    /// <summary>One frame of the game at `nowS`, monotonic.</summary>
    public void Tick(double nowS)
    {
        _tickS = double.IsNaN(_lastTickS) ? 0 : Math.Clamp(nowS - _lastTickS, 0, 0.1);
        _lastTickS = nowS;
        _game.Apply(_hands.Take(nowS, _tickS), (float)_tickS, nowS);
        if (nowS + 0.0005 < _sendDueS)
        {
            return;
        }
        var period = 1 / _options.UpdateHz;
        _sendDueS = nowS - _sendDueS > period ? nowS + period : _sendDueS + period;
        Send(nowS);
    }

    private void Send(double nowS)
    {
        Sequence++;
        var clients = _server.Present;
        if (clients.Length == 0)
        {
            return;
        }
        if (_options.FrameHz > 0 && nowS + 0.0005 >= _frameDueS && _frames.IsFree)
        {
            _frameDueS = nowS + 1 / _options.FrameHz;
            _game.RequestFrame();
        }
        _state.Clear();
        _game.Read(_state);
        var human = _options.SendsHuman ? _human.Take() : default;
        var reward = _state.Run.Reward;
        var ends = (byte)(_state.Run.Flags & (RunInfo.Ended | RunInfo.Won));
        Stamp(nowS);
        var frame = _frames.Current;
        int owner = _hands.Owner, taken = 0;
        foreach (var client in clients)
        {
            Remember(client.Unsaid, reward, ends, human);
            if (client.Begin() is not { } packet)
            {
                Skipped++;
                continue;
            }
            var isNew = frame.Length > 0 && client.Unsaid.Picture != _picture;
            Tell(client, packet, isNew ? frame : default);
            taken += isNew && (owner == 0 || client.Number == owner || nowS >= _frameDueS) ? 1 : 0;
        }
        if (taken > 0)
        {
            _picture++;
            _frames.Taken();
        }
    }

    private static void Remember(Unsaid unsaid, float reward, byte ends, in HumanInput human)
    {
        unsaid.Human.Sample(human);
        if (unsaid.IsBegun)
        {
            unsaid.Reward += reward;
            unsaid.Ends |= ends;
        }
        unsaid.IsBegun = true;
    }

    private void Tell(LinkClient client, ByteBuffer packet, ReadOnlySpan<byte> frame)
    {
        var unsaid = client.Unsaid;
        _state.Run.Flags = (byte)(RunInfo.RowsTopDown | unsaid.Ends | (byte)_frames.Source << 4);
        _state.Run.Reward = unsaid.Reward;
        _state.Run.FrameTimeUs = frame.Length > 0 ? (ulong)Math.Max(0, _frames.CapturedS * 1e6) : 0;
        if (_options.SendsHuman)
        {
            _state.HasHuman = true;
            _state.Human = unsaid.Human.Take();
        }
        Wire.WritePacket(packet, _state, frame);
        if (frame.Length > 0)
        {
            unsaid.Picture = _picture;
        }
        client.End(packet);
        Packets++;
        (unsaid.Reward, unsaid.Ends) = (0, 0);
    }

    /// <summary>Add what only the pump knows.</summary>
    private void Stamp(double nowS)
    {
        var (width, height) = _game.ScreenSize;
        _state.HasRun = true;
        ref var run = ref _state.Run;
        run.Sequence = Sequence;
        run.CaptureTimeUs = (ulong)Math.Max(0, nowS * 1e6);
        run.CaptureWidth = (ushort)_options.CaptureWidth;
        run.CaptureHeight = (ushort)_options.CaptureHeight;
        run.ScreenWidth = (ushort)Math.Clamp(width, 0, ushort.MaxValue);
        run.ScreenHeight = (ushort)Math.Clamp(height, 0, ushort.MaxValue);
    }
}
