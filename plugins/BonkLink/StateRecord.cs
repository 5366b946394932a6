// The values of one tick as the wire carries them. Owns no meaning beyond the wire's; filled by a game, read by Wire.
using System;
using System.Collections.Generic;

namespace BonkLink;

/// <summary>Names of menus that the wire defines; "" is play.</summary>
public static class MenuNames
{
    public const string Play = "", Main = "MainMenu", Character = "CharacterSelect", Map = "MapSelect";
    public const string Loading = "Loading", LevelUp = "LevelUp", Chest = "Chest", Encounter = "Encounter";
    public const string Pause = "Pause", Death = "Death", Results = "Results";
    public const string Boot = "Boot", Sub = "SubMenu";

    /// <summary>Menus that open over a run and leave it playing, paused.</summary>
    public static bool IsOverRun(string menu) => menu is LevelUp or Chest or Encounter or Pause;
}

/// <summary>Kinds of the objects that BLX2 lists.</summary>
public static class ObjectKinds
{
    public const byte Xp = 1, Gold = 2, Health = 3, Chest = 4, Shrine = 5, Portal = 6, Other = 7;
}

public struct Vec3
{
    public float X, Y, Z;

    public Vec3(float x, float y, float z)
    {
        X = x;
        Y = y;
        Z = z;
    }
}

/// <summary>One enemy: position, health, and BLX2's kind (low 7 bits kind, high bit elite or boss).</summary>
public struct EnemyRow
{
    public Vec3 Position;
    public float Health;
    public byte Kind;
}

/// <summary>One object of BLX2.</summary>
public struct ObjectRow
{
    public byte Kind;
    public Vec3 Position;
}

/// <summary>Trailer HINP: the human's input; the click is 0…1 with the origin top-left.</summary>
public struct HumanInput
{
    public int Version;
    public float MoveX, MoveY, LookX, LookY;
    public bool Fire, Ability, Interact, Click;
    public float ClickX, ClickY;
}

/// <summary>Trailer BLX1: identity, timing and the run's counters.</summary>
public struct RunInfo
{
    public uint Sequence;
    public ulong CaptureTimeUs;
    public ushort CaptureWidth, CaptureHeight, ScreenWidth, ScreenHeight;
    public byte Flags, Reserved;
    public ushort Level;
    public float XpFraction;
    public uint Kills, Gold;
    public float DamageDealt, DamageTaken;
    public ulong Seed;
    public float Reward;

    /// <summary>When the capture of this packet's picture began; 0 where there is none or it is unknown.</summary>
    public ulong FrameTimeUs;

    public const byte RowsTopDown = 1, Ended = 2, Won = 4;
}

/// <summary>One tick; reused from tick to tick, `Clear` first.</summary>
public sealed class StateRecord
{
    public Vec3 Position, Velocity;
    public float Health, MaxHealth, GameTimeS;
    public bool IsPlaying, IsPaused;
    public readonly List<EnemyRow> Enemies = new();
    public string Menu = "";
    public readonly List<string> Options = new();
    public bool HasHuman, HasRun, HasScene;
    public HumanInput Human;
    public RunInfo Run;
    public float CameraYawRad, CameraPitchRad;
    public readonly List<ObjectRow> Objects = new();
    public byte[] Unknown = Array.Empty<byte>();

    public void Clear()
    {
        Position = Velocity = default;
        Health = MaxHealth = GameTimeS = CameraYawRad = CameraPitchRad = 0;
        IsPlaying = IsPaused = HasHuman = HasRun = HasScene = false;
        Enemies.Clear();
        Options.Clear();
        Objects.Clear();
        Menu = "";
        Human = default;
        Run = default;
        Unknown = Array.Empty<byte>();
    }
}
