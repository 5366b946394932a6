// The game's half of the BonkLink codec: states and frames to bytes. Little-endian. No Unity, no socket, no clock.
// What the format cannot carry is cut here: more than MaxEnemies or MaxObjects rows, long texts, values not finite.
using System;
using System.Buffers.Binary;
using System.Text;

namespace BonkLink;

/// <summary>A byte buffer that grows and is reused.</summary>
public sealed class ByteBuffer
{
    public byte[] Bytes = new byte[4096];
    public int Count;

    public void Clear() => Count = 0;

    public Span<byte> Take(int size)
    {
        if (Count + size > Bytes.Length)
        {
            Array.Resize(ref Bytes, Math.Max(Bytes.Length * 2, Count + size));
        }
        var span = Bytes.AsSpan(Count, size);
        Count += size;
        return span;
    }

    public void U8(byte value) => Take(1)[0] = value;

    public void U16(ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(Take(2), value);

    public void I32(int value) => BinaryPrimitives.WriteInt32LittleEndian(Take(4), value);

    public void U32(uint value) => BinaryPrimitives.WriteUInt32LittleEndian(Take(4), value);

    public void U64(ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(Take(8), value);

    public void F32(float value) =>
        BinaryPrimitives.WriteSingleLittleEndian(Take(4), float.IsFinite(value) ? value : 0f);

    public void Flag(bool value) => U8(value ? (byte)1 : (byte)0);

    public void Raw(ReadOnlySpan<byte> bytes) => bytes.CopyTo(Take(bytes.Length));

    public void Vec3(in Vec3 value)
    {
        F32(value.X);
        F32(value.Y);
        F32(value.Z);
    }

    public void PatchI32(int at, int value) => BinaryPrimitives.WriteInt32LittleEndian(Bytes.AsSpan(at, 4), value);
}

public static class Wire
{
    public const uint HinpMagic = 0x504E4948, Blx1Magic = 0x31584C42, Blx2Magic = 0x32584C42, Acx1Magic = 0x31584341;
    public const int MaxStateBytes = 262_144, MaxEnemies = 8192, MaxObjects = 4096, MaxOptions = 64;
    public const int MaxTextBytes = 1024, RawHeadBytes = 16;
    public static readonly byte[] RawMagic = { (byte)'M', (byte)'B', (byte)'R', (byte)'F' };

    /// <summary>Append one whole packet; an empty frame means none this tick.</summary>
    public static void WritePacket(ByteBuffer to, StateRecord state, ReadOnlySpan<byte> frame)
    {
        var start = to.Count;
        to.I32(0);
        WriteState(to, state);
        to.PatchI32(start, to.Count - start - 4);
        to.I32(frame.Length);
        to.Raw(frame);
    }

    /// <summary>Append one state with the trailers that it has.</summary>
    public static void WriteState(ByteBuffer to, StateRecord state)
    {
        to.Vec3(state.Position);
        to.Vec3(state.Velocity);
        to.F32(state.Health);
        to.F32(state.MaxHealth);
        to.F32(state.GameTimeS);
        to.Flag(state.IsPlaying);
        to.Flag(state.IsPaused);
        var enemies = Math.Min(state.Enemies.Count, MaxEnemies);
        to.I32(enemies);
        for (var i = 0; i < enemies; i++)
        {
            to.Vec3(state.Enemies[i].Position);
            to.F32(state.Enemies[i].Health);
        }
        WriteText(to, state.Menu);
        var options = Math.Min(state.Options.Count, MaxOptions);
        to.I32(options);
        for (var i = 0; i < options; i++)
        {
            WriteText(to, state.Options[i]);
        }
        if (state.HasHuman)
        {
            WriteHuman(to, state.Human);
        }
        if (state.HasRun)
        {
            WriteRun(to, state.Run);
        }
        if (state.HasScene)
        {
            WriteScene(to, state, enemies);
        }
        to.Raw(state.Unknown);
    }

    private static void WriteHuman(ByteBuffer to, in HumanInput human)
    {
        to.U32(HinpMagic);
        to.I32(human.Version);
        to.F32(human.MoveX);
        to.F32(human.MoveY);
        to.F32(human.LookX);
        to.F32(human.LookY);
        to.Flag(human.Fire);
        to.Flag(human.Ability);
        to.Flag(human.Interact);
        to.Flag(human.Click);
        to.F32(human.ClickX);
        to.F32(human.ClickY);
    }

    private static void WriteRun(ByteBuffer to, in RunInfo run)
    {
        to.U32(Blx1Magic);
        to.U32(run.FrameTimeUs > 0 ? 64u : 56u);
        to.U32(run.Sequence);
        to.U64(run.CaptureTimeUs);
        to.U16(run.CaptureWidth);
        to.U16(run.CaptureHeight);
        to.U16(run.ScreenWidth);
        to.U16(run.ScreenHeight);
        to.U8(run.Flags);
        to.U8(run.Reserved);
        to.U16(run.Level);
        to.F32(run.XpFraction);
        to.U32(run.Kills);
        to.U32(run.Gold);
        to.F32(run.DamageDealt);
        to.F32(run.DamageTaken);
        to.U64(run.Seed);
        to.F32(run.Reward);
        if (run.FrameTimeUs > 0)
        {
            to.U64(run.FrameTimeUs);
        }
    }

    private static void WriteScene(ByteBuffer to, StateRecord state, int enemies)
    {
        to.U32(Blx2Magic);
        var size = to.Count;
        to.I32(0);
        to.F32(state.CameraYawRad);
        to.F32(state.CameraPitchRad);
        to.U16((ushort)enemies);
        for (var i = 0; i < enemies; i++)
        {
            to.U8(state.Enemies[i].Kind);
        }
        var objects = Math.Min(state.Objects.Count, MaxObjects);
        to.U16((ushort)objects);
        for (var i = 0; i < objects; i++)
        {
            to.U8(state.Objects[i].Kind);
            to.Vec3(state.Objects[i].Position);
        }
        to.PatchI32(size, to.Count - size - 4);
    }

    /// <summary>A text behind its 7-bit length, cut to MaxTextBytes between two characters.</summary>
    public static void WriteText(ByteBuffer to, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        var size = bytes.Length;
        if (size > MaxTextBytes)
        {
            size = MaxTextBytes;
            while (size > 0 && (bytes[size] & 0xC0) == 0x80)
            {
                size--;
            }
        }
        var rest = (uint)size;
        while (rest >= 0x80)
        {
            to.U8((byte)(rest & 0x7F | 0x80));
            rest >>= 7;
        }
        to.U8((byte)rest);
        to.Raw(bytes.AsSpan(0, size));
    }

    /// <summary>The head of a raw frame.</summary>
    public static void WriteRawHead(Span<byte> to, int width, int height, int channels)
    {
        RawMagic.CopyTo(to);
        BinaryPrimitives.WriteInt32LittleEndian(to[4..], width);
        BinaryPrimitives.WriteInt32LittleEndian(to[8..], height);
        BinaryPrimitives.WriteInt32LittleEndian(to[12..], channels);
    }
}
