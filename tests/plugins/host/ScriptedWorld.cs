// A small deterministic world behind the interfaces that the game's reader and injector implement: a field with
// walkers, menus around it, and a picture with four different corners. Same seed and inputs, same world, to the bit.
using System;
using System.Collections.Generic;
using BonkLink;

namespace Host;

public sealed class ScriptedWorld : IMenu
{
    public const int ScreenWidth = 1280, ScreenHeight = 720;
    private static readonly string[] Cards = { "Damage Tome (Common)", "Bow (New)", "Höhe +8 %" };
    private uint _random;
    private float _spawnS, _loadingS;

    public Vec3 Position, Velocity;
    public float Health, MaxHealth, TimeS, YawRad, PitchRad, XpFraction, DamageDealt, DamageTaken, Reward;
    public bool Frozen, Ended, Won, JumpHeld, Sliding;
    public int Level, Kills, Gold, Jumps, Interactions, Presses, LastPressed = -1, Focused = -1;
    public ulong Seed;
    public string Menu = MenuNames.Main;
    public bool? PlayingOverride, PausedOverride;
    public readonly List<string> Options = new();
    public readonly List<EnemyRow> Enemies = new();
    public readonly List<ObjectRow> Objects = new();
    public PlayControls Controls;

    public ScriptedWorld(ulong seed)
    {
        Seed = seed;
        Restart();
    }

    public bool IsPlaying => PlayingOverride ?? (Menu == MenuNames.Play || MenuNames.IsOverRun(Menu));

    public bool IsPaused => PausedOverride ?? MenuNames.IsOverRun(Menu);

    public void Restart()
    {
        _random = (uint)(Seed ^ Seed >> 32) * 2654435761u | 1u;
        Position = new Vec3(0, 1, 0);
        Velocity = default;
        Health = MaxHealth = 100;
        TimeS = YawRad = PitchRad = XpFraction = DamageDealt = DamageTaken = Reward = _spawnS = 0;
        Level = 1;
        Kills = Gold = 0;
        Ended = Won = false;
        Enemies.Clear();
        Objects.Clear();
        Options.Clear();
        Objects.Add(new ObjectRow { Kind = ObjectKinds.Chest, Position = new Vec3(12, 0, 5) });
        Objects.Add(new ObjectRow { Kind = ObjectKinds.Shrine, Position = new Vec3(-9, 0, 14) });
    }

    /// <summary>Uniform in 0…1; xorshift32 (Marsaglia 2003).</summary>
    private float Random()
    {
        _random ^= _random << 13;
        _random ^= _random >> 17;
        _random ^= _random << 5;
        return (_random >> 8) / 16777216f;
    }

    /// <summary>What a player's hands do to the body in this tick.</summary>
    public void Steer(in PlayControls controls)
    {
        Controls = controls;
        Jumps += controls.JumpPressed ? 1 : 0;
        Interactions += controls.InteractPressed ? 1 : 0;
        JumpHeld = controls.JumpHeld;
        Sliding = controls.Slide;
        YawRad = MathF.IEEERemainder(YawRad + controls.YawDegrees * MathF.PI / 180, 2 * MathF.PI);
        PitchRad = Math.Clamp(PitchRad + controls.PitchDegrees * MathF.PI / 180, -1.3f, 0.7f);
    }

    public void Step(float seconds)
    {
        if (Frozen)
        {
            return;
        }
        if (Menu == MenuNames.Loading)
        {
            _loadingS += seconds;
            if (_loadingS >= 0.3f)
            {
                Menu = MenuNames.Play;
            }
        }
        if (Menu != MenuNames.Play)
        {
            return;
        }
        TimeS += seconds;
        Move(seconds);
        Spawn(seconds);
        Fight(seconds);
        if (Health <= 0)
        {
            Health = 0;
            Ended = true;
            Menu = MenuNames.Death;
        }
    }

    private void Move(float seconds)
    {
        var (sin, cos) = MathF.SinCos(YawRad);
        var speed = Sliding ? 10f : 7f;
        Velocity.X = (Controls.MoveX * cos + Controls.MoveY * sin) * speed;
        Velocity.Z = (Controls.MoveY * cos - Controls.MoveX * sin) * speed;
        Velocity.Y = Controls.JumpPressed && Position.Y <= 1 ? 8 : Velocity.Y - 22 * seconds;
        Position.X = Math.Clamp(Position.X + Velocity.X * seconds, -60, 60);
        Position.Z = Math.Clamp(Position.Z + Velocity.Z * seconds, -60, 60);
        Position.Y += Velocity.Y * seconds;
        if (Position.Y < 1)
        {
            Position.Y = 1;
            Velocity.Y = 0;
        }
    }

    private void Spawn(float seconds)
    {
        _spawnS -= seconds;
        if (_spawnS > 0 || Enemies.Count >= 60)
        {
            return;
        }
        _spawnS = 0.4f;
        var (sin, cos) = MathF.SinCos(Random() * 2 * MathF.PI);
        var kind = (byte)(Random() * 40);
        kind |= (byte)(Random() < 0.05f ? 0x80 : 0);
        var at = new Vec3(Position.X + 20 * sin, 1, Position.Z + 20 * cos);
        Enemies.Add(new EnemyRow { Position = at, Health = 10 + 10 * Random(), Kind = kind });
    }

    private void Fight(float seconds)
    {
        for (var i = Enemies.Count - 1; i >= 0; i--)
        {
            var enemy = Enemies[i];
            float x = Position.X - enemy.Position.X, z = Position.Z - enemy.Position.Z;
            var far = MathF.Sqrt(x * x + z * z) + 1e-6f;
            enemy.Position.X += x / far * 4 * seconds;
            enemy.Position.Z += z / far * 4 * seconds;
            if (far < 1.2f)
            {
                var hurt = Math.Min(Health, 20 * seconds);
                Health -= hurt;
                DamageTaken += hurt;
            }
            if (far < 6)
            {
                var dealt = Math.Min(enemy.Health, 15 * seconds);
                enemy.Health -= dealt;
                DamageDealt += dealt;
            }
            Enemies[i] = enemy;
            if (enemy.Health <= 0)
            {
                Enemies.RemoveAt(i);
                Reap();
            }
        }
    }

    private void Reap()
    {
        Kills++;
        Gold += 2;
        XpFraction += 0.2f / Level;
        if (XpFraction < 1)
        {
            return;
        }
        XpFraction = 0;
        Level++;
        Menu = MenuNames.LevelUp;
        Options.Clear();
        Options.AddRange(Cards);
    }

    // --- the menu that is open ---

    public string Name => Menu;

    public int DefaultId => Menu switch
    {
        MenuNames.Play or MenuNames.Loading => -1,
        MenuNames.Character or MenuNames.Map => 1,
        _ => 0,
    };

    public int CancelId => Menu switch
    {
        MenuNames.Character or MenuNames.Map => 2,
        MenuNames.LevelUp or MenuNames.Encounter => 3,
        MenuNames.Pause => 0,
        MenuNames.Chest or MenuNames.Results => 1,
        _ => -1,
    };

    public void List(List<MenuButton> into)
    {
        var count = Menu switch
        {
            MenuNames.Play or MenuNames.Loading => 0,
            MenuNames.LevelUp or MenuNames.Encounter => 4,
            MenuNames.Character or MenuNames.Map => 3,
            MenuNames.Death => 1,
            _ => 2,
        };
        for (var i = 0; i < count; i++)
        {
            into.Add(new MenuButton(i, 440, 560 - 120 * i, 400, 90, true));
        }
    }

    public void Focus(int id) => Focused = id;

    public void Press(int id)
    {
        Presses++;
        LastPressed = id;
        Menu = Menu switch
        {
            MenuNames.Main => id == 0 ? MenuNames.Character : MenuNames.Main,
            MenuNames.Character => id switch { 1 => MenuNames.Map, 2 => MenuNames.Main, _ => Menu },
            MenuNames.Map => id switch { 1 => MenuNames.Loading, 2 => MenuNames.Character, _ => Menu },
            MenuNames.Death => MenuNames.Results,
            MenuNames.Results => id == 0 ? MenuNames.Loading : MenuNames.Main,
            _ => MenuNames.Play,
        };
        if (Menu == MenuNames.Loading)
        {
            Restart();
            _loadingS = 0;
        }
        if (Menu == MenuNames.Play)
        {
            Options.Clear();
        }
    }

    /// <summary>
    /// The picture, rows top-down: corners red, green, blue and white, and a dot for each enemy by its bearing.
    /// </summary>
    public void Draw(Span<byte> rgb, int width, int height)
    {
        for (var y = 0; y < height; y++)
        {
            var bottom = y >= height / 2;
            var row = rgb.Slice(y * width * 3, width * 3);
            Fill(row[..(width / 2 * 3)], bottom ? (0, 0, 200) : (200, 0, 0));
            Fill(row[(width / 2 * 3)..], bottom ? (200, 200, 200) : (0, 200, 0));
        }
        foreach (var enemy in Enemies)
        {
            var x = (int)(width * (0.5f + (enemy.Position.X - Position.X) / 50));
            var y = (int)(height * (0.5f - (enemy.Position.Z - Position.Z) / 50));
            if (x >= 0 && x < width && y >= 0 && y < height)
            {
                Fill(rgb.Slice((y * width + x) * 3, 3), (255, (int)enemy.Health * 8 & 255, 0));
            }
        }
    }

    private static void Fill(Span<byte> row, (int R, int G, int B) colour)
    {
        for (var i = 0; i < row.Length; i += 3)
        {
            row[i] = (byte)colour.R;
            row[i + 1] = (byte)colour.G;
            row[i + 2] = (byte)colour.B;
        }
    }
}
