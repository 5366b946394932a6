// The shared memory of lock-step: layout, sequence lock, and the heartbeat beside it. No Unity, no rules, no clock.
//
// megabonk_env_<instance>: i32 flag · u32 sequence (odd while the game writes) · f32 reward · i32 done · i32 step ·
// i32 game time, ms · i32 width · i32 height · RGB24 rows, top-down · 6 f32 action (move x, move y, four buttons).
// megabonk_env_<instance>_beat: u32 heartbeats of the client · i32 status of the game · u32 epoch of the game, never 0
// and another one after each start · u32 heartbeats of the game · i32 how it takes pictures (0 not known yet, 1 GPU
// readback, 2 ReadPixels, 3 not at all). A client that does not know the second map is told
// alive by its actions alone.
using System;
using System.IO;
using System.IO.MemoryMappedFiles;
using System.Threading;
using BonkLink;

namespace ResearchPlugin;

public static class Flags
{
    public const int Wait = 0, Action = 1, Observation = 2, Reset = 3, Terminated = 4;
}

/// <summary>What the game does, for whoever looks at the heartbeat's map.</summary>
public enum GameStatus
{
    NoClient = 0,
    LockStep = 1,
    RunsOn = 2,
    Closed = 3,
}

public struct ResearchAction
{
    public float MoveX, MoveY;
    public bool Fire, Ability, Interact, Submit;
}

public sealed unsafe class SharedFrame : IDisposable
{
    public const int HeadBytes = 0x20, ActionBytes = 24, BeatBytes = 20, MaxSide = 8192, BeatEveryMs = 50;
    private readonly MemoryMappedFile _map, _beatMap;
    private readonly MemoryMappedViewAccessor _view, _beatView;
    private readonly byte* _at;
    private readonly byte* _beat;
    private readonly string[] _files;
    private readonly Thread _heart;
    private readonly ManualResetEventSlim _ends = new();

    public SharedFrame(int instance, int width, int height, string? folder)
    {
        if (width < 1 || height < 1 || width > MaxSide || height > MaxSide)
        {
            throw new ArgumentException($"an observation of {width}x{height}: each side goes from 1 to {MaxSide}");
        }
        (Width, Height) = (width, height);
        var names = new[] { NameOf(instance), NameOf(instance) + "_beat" };
        folder ??= FolderOf(OperatingSystem.IsWindows(), Directory.Exists);
        _files = folder is null ? Array.Empty<string>() : Array.ConvertAll(names, n => Path.Combine(folder, n));
        _map = Open(names[0], folder, SizeOf(width, height));
        _view = _map.CreateViewAccessor(0, SizeOf(width, height));
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _at);
        new Span<byte>(_at, SizeOf(width, height)).Clear();
        *(int*)(_at + 0x18) = width;
        *(int*)(_at + 0x1C) = height;
        // Only now the second map: its epoch tells clients that the first one is ready.
        _beatMap = Open(names[1], folder, BeatBytes);
        _beatView = _beatMap.CreateViewAccessor(0, BeatBytes);
        _beatView.SafeMemoryMappedViewHandle.AcquirePointer(ref _beat);
        var before = *(uint*)(_beat + 8);
        new Span<byte>(_beat, BeatBytes).Clear();
        Volatile.Write(ref *(uint*)(_beat + 8), EpochAfter(before));
        _heart = Guarded.Start("ResearchPlugin heartbeat", Beat);
    }

    public int Width { get; }

    public int Height { get; }

    public int Flag
    {
        get => Volatile.Read(ref *(int*)_at);
        set => Volatile.Write(ref *(int*)_at, value);
    }

    /// <summary>Which start of the game this is: never 0, and not that of the start before.</summary>
    public uint Epoch => Volatile.Read(ref *(uint*)(_beat + 8));

    public uint ClientBeats => Volatile.Read(ref *(uint*)_beat);

    public GameStatus Status
    {
        get => (GameStatus)Volatile.Read(ref *(int*)(_beat + 4));
        set => Volatile.Write(ref *(int*)(_beat + 4), (int)value);
    }

    /// <summary>How the game takes its pictures, as PictureSource numbers it.</summary>
    public int Pictures
    {
        get => Volatile.Read(ref *(int*)(_beat + 16));
        set => Volatile.Write(ref *(int*)(_beat + 16), value);
    }

    public static string NameOf(int instance) => $"megabonk_env_{instance}";

    /// <summary>
    /// Where the maps are files: Linux's shared memory, under Wine by its drive, for a client outside of Wine sees no
    /// named map; null on Windows, which has named maps.
    /// </summary>
    public static string? FolderOf(bool isWindows, Predicate<string> exists) =>
        !isWindows ? "/dev/shm" : exists(@"Z:\dev\shm") ? @"Z:\dev\shm" : null;

    public static int SizeOf(int width, int height) => HeadBytes + width * height * 3 + ActionBytes;

    /// <summary>
    /// Write one observation under the sequence lock, then raise the flag, unless a client raised another one since the
    /// step began: what a client asks for now is not answered by a step that somebody asked for before.
    /// </summary>
    public void Publish(float reward, bool done, int step, int timeMs, ReadOnlySpan<byte> rgb)
    {
        ref var sequence = ref *(uint*)(_at + 4);
        Volatile.Write(ref sequence, sequence + 1 | 1);
        Thread.MemoryBarrier();
        *(float*)(_at + 8) = reward;
        *(int*)(_at + 0x0C) = done ? 1 : 0;
        *(int*)(_at + 0x10) = step;
        *(int*)(_at + 0x14) = timeMs;
        rgb[..(Width * Height * 3)].CopyTo(new Span<byte>(_at + HeadBytes, Width * Height * 3));
        Thread.MemoryBarrier();
        Volatile.Write(ref sequence, (sequence | 1) + 1);
        Interlocked.CompareExchange(ref *(int*)_at, Flags.Observation, Flags.Wait);
    }

    public ResearchAction ReadAction()
    {
        var values = (float*)(_at + HeadBytes + Width * Height * 3);
        return new ResearchAction
        {
            MoveX = Axis(values[0]),
            MoveY = Axis(values[1]),
            Fire = values[2] > 0.5f,
            Ability = values[3] > 0.5f,
            Interact = values[4] > 0.5f,
            Submit = values[5] > 0.5f,
        };
    }

    /// <summary>Write an action as a client does; for a client in the game's own process.</summary>
    public void WriteAction(ReadOnlySpan<float> action) =>
        action[..6].CopyTo(new Span<float>(_at + HeadBytes + Width * Height * 3, 6));

    /// <summary>The map's bytes; for a client in the game's own process.</summary>
    public ReadOnlySpan<byte> Bytes(int from, int count) => new(_at + from, count);

    /// <summary>Tell the client that the game ends, and remove the files.</summary>
    public void Dispose()
    {
        _ends.Set();
        _heart.Join();
        Status = GameStatus.Closed;
        Flag = Flags.Terminated;
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _beatView.SafeMemoryMappedViewHandle.ReleasePointer();
        foreach (var part in new IDisposable[] { _view, _beatView, _map, _beatMap })
        {
            part.Dispose();
        }
        Array.ForEach(_files, File.Delete);
    }

    /// <summary>The process is alive. Of a thread of its own: a game that loads for long draws no frame.</summary>
    private void Beat()
    {
        while (!_ends.Wait(BeatEveryMs))
        {
            ref var beats = ref *(uint*)(_beat + 12);
            Volatile.Write(ref beats, beats + 1);
        }
    }

    private static uint EpochAfter(uint before)
    {
        var next = before == 0 ? unchecked((uint)Environment.TickCount) : before + 1;
        return next == 0 ? 1 : next;
    }

    private static float Axis(float value) => float.IsFinite(value) ? Math.Clamp(value, -1f, 1f) : 0f;

    private static MemoryMappedFile Open(string name, string? folder, int size)
    {
        if (folder is null)
        {
#pragma warning disable CA1416 // named maps exist on Windows, and only there is the folder null
            return MemoryMappedFile.CreateOrOpen(name, size);
#pragma warning restore CA1416
        }
        var path = Path.Combine(folder, name);
        using (var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite))
        {
            file.SetLength(size);
        }
        var stream = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        return MemoryMappedFile.CreateFromFile(
            stream, null, size, MemoryMappedFileAccess.ReadWrite, HandleInheritability.None, false);
    }
}
