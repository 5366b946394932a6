// What a client asks for in one tick, and the decoder of its byte stream. No Unity, no socket, no clock.
using System;
using System.Buffers.Binary;

namespace BonkLink;

/// <summary>One action; a click is in capture pixels with the origin bottom-left.</summary>
public struct AgentAction
{
    public float MoveX, MoveY, LookX, LookY;
    public bool Fire, Ability, Interact, Click;
    public int ClickX, ClickY;
    public bool HasAnswer;
    public uint Answers;

    /// <summary>How often each button went down since the tick before; Hands counts them, the wire does not.</summary>
    public int FirePresses, AbilityPresses, InteractPresses;
}

/// <summary>
/// Cuts a client's bytes into actions. An action larger than MaxBytes is skipped whole and counted; one that is too
/// short for what it announces, or not finite, is skipped and counted. A size below 1 or beyond MaxSkippedBytes ends
/// the stream: Feed returns false from then on. Memory does not depend on what arrives.
/// </summary>
public sealed class ActionDecoder
{
    public const int MaxBytes = 1023, MaxSkippedBytes = 1 << 20;
    private readonly byte[] _body = new byte[4 + MaxBytes];
    private readonly Action<AgentAction> _sink;
    private int _have, _skip;
    private bool _failed;

    public ActionDecoder(Action<AgentAction> sink)
    {
        _sink = sink;
    }

    public long Actions { get; private set; }

    public long Oversized { get; private set; }

    public long Malformed { get; private set; }

    /// <summary>Take the next bytes, cut anywhere; false when the stream cannot be followed any more.</summary>
    public bool Feed(ReadOnlySpan<byte> data)
    {
        while (!_failed && data.Length > 0)
        {
            if (_skip > 0)
            {
                var skipped = Math.Min(_skip, data.Length);
                _skip -= skipped;
                data = data[skipped..];
                continue;
            }
            var wanted = _have < 4 ? 4 : 4 + BinaryPrimitives.ReadInt32LittleEndian(_body);
            var taken = Math.Min(wanted - _have, data.Length);
            data[..taken].CopyTo(_body.AsSpan(_have));
            _have += taken;
            data = data[taken..];
            if (_have == wanted)
            {
                Whole(wanted);
            }
        }
        return !_failed;
    }

    private void Whole(int wanted)
    {
        if (wanted > 4)
        {
            _have = 0;
            Deliver(_body.AsSpan(4, wanted - 4));
            return;
        }
        var size = BinaryPrimitives.ReadInt32LittleEndian(_body);
        if (size < 1 || size > MaxSkippedBytes)
        {
            _failed = true;
        }
        else if (size > MaxBytes)
        {
            Oversized++;
            _skip = size;
            _have = 0;
        }
    }

    private void Deliver(ReadOnlySpan<byte> body)
    {
        if (TryParse(body, out var action))
        {
            Actions++;
            _sink(action);
        }
        else
        {
            Malformed++;
        }
    }

    /// <summary>Read one action's bytes, without their size; axes are clamped to −1 … 1.</summary>
    public static bool TryParse(ReadOnlySpan<byte> body, out AgentAction action)
    {
        action = default;
        if (body.Length < 20)
        {
            return false;
        }
        float mx = F32(body, 0), my = F32(body, 4), lx = F32(body, 8), ly = F32(body, 12);
        if (!float.IsFinite(mx) || !float.IsFinite(my) || !float.IsFinite(lx) || !float.IsFinite(ly))
        {
            return false;
        }
        action.MoveX = Clamp(mx);
        action.MoveY = Clamp(my);
        action.LookX = Clamp(lx);
        action.LookY = Clamp(ly);
        action.Fire = body[16] != 0;
        action.Ability = body[17] != 0;
        action.Interact = body[18] != 0;
        action.Click = body[19] != 0;
        var rest = body[20..];
        if (action.Click)
        {
            if (rest.Length < 8)
            {
                return false;
            }
            action.ClickX = BinaryPrimitives.ReadInt32LittleEndian(rest);
            action.ClickY = BinaryPrimitives.ReadInt32LittleEndian(rest[4..]);
            rest = rest[8..];
        }
        if (rest.Length >= 8 && BinaryPrimitives.ReadUInt32LittleEndian(rest) == Wire.Acx1Magic)
        {
            action.HasAnswer = true;
            action.Answers = BinaryPrimitives.ReadUInt32LittleEndian(rest[4..]);
        }
        return true;
    }

    private static float F32(ReadOnlySpan<byte> body, int at) => BinaryPrimitives.ReadSingleLittleEndian(body[at..]);

    private static float Clamp(float value) => Math.Clamp(value, -1f, 1f);
}

/// <summary>What the action of one tick means in play, given the action of the tick before.</summary>
public struct PlayControls
{
    public const float TurnDegreesPerS = 180f;
    public float MoveX, MoveY, YawDegrees, PitchDegrees;
    public bool JumpPressed, JumpHeld, Slide, InteractPressed, InteractHeld;
    public int JumpPresses, SlidePresses, InteractPresses;

    public static PlayControls From(in AgentAction action, in AgentAction before, float seconds) => new()
    {
        MoveX = action.MoveX,
        MoveY = action.MoveY,
        YawDegrees = action.LookX * TurnDegreesPerS * seconds,
        PitchDegrees = action.LookY * TurnDegreesPerS * seconds,
        JumpPressed = action.Fire && !before.Fire,
        JumpHeld = action.Fire,
        Slide = action.Ability,
        InteractPressed = action.Interact && !before.Interact,
        InteractHeld = action.Interact,
        JumpPresses = action.FirePresses,
        SlidePresses = action.AbilityPresses,
        InteractPresses = action.InteractPresses,
    };
}
