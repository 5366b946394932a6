// The scripted world's fields as JSON and as a state record. Changes and shows; owns no rule.
using System;
using System.Linq;
using System.Text.Json;
using System.Text.Json.Nodes;
using BonkLink;

namespace Host;

public static class WorldJson
{
    public static void Set(ScriptedWorld world, JsonElement values)
    {
        foreach (var field in values.EnumerateObject())
        {
            Set(world, field.Name, field.Value);
        }
    }

    private static void Set(ScriptedWorld world, string name, JsonElement value)
    {
        switch (name)
        {
            case "position": world.Position = Vector(value); break;
            case "velocity": world.Velocity = Vector(value); break;
            case "health": world.Health = value.GetSingle(); break;
            case "max_health": world.MaxHealth = value.GetSingle(); break;
            case "game_time_s": world.TimeS = value.GetSingle(); break;
            case "is_playing": world.PlayingOverride = value.GetBoolean(); break;
            case "is_paused": world.PausedOverride = value.GetBoolean(); break;
            case "current_menu": world.Menu = value.GetString()!; break;
            case "yaw": world.YawRad = value.GetSingle(); break;
            case "pitch": world.PitchRad = value.GetSingle(); break;
            case "level": world.Level = value.GetInt32(); break;
            case "xp": world.XpFraction = value.GetSingle(); break;
            case "kills": world.Kills = value.GetInt32(); break;
            case "gold": world.Gold = value.GetInt32(); break;
            case "dealt": world.DamageDealt = value.GetSingle(); break;
            case "taken": world.DamageTaken = value.GetSingle(); break;
            case "seed": world.Seed = value.GetUInt64(); break;
            case "reward": world.Reward = value.GetSingle(); break;
            case "ended": world.Ended = value.GetBoolean(); break;
            case "won": world.Won = value.GetBoolean(); break;
            case "frozen": world.Frozen = value.GetBoolean(); break;
            case "options":
                world.Options.Clear();
                world.Options.AddRange(value.EnumerateArray().Select(o => o.GetString()!));
                break;
            case "enemies":
                world.Enemies.Clear();
                world.Enemies.AddRange(value.EnumerateArray().Select(row => new EnemyRow
                {
                    Position = Vector(row), Health = row[3].GetSingle(), Kind = row[4].GetByte(),
                }));
                break;
            case "objects":
                world.Objects.Clear();
                world.Objects.AddRange(value.EnumerateArray().Select(row => new ObjectRow
                {
                    Kind = row[0].GetByte(),
                    Position = new Vec3(row[1].GetSingle(), row[2].GetSingle(), row[3].GetSingle()),
                }));
                break;
            default: throw new ArgumentException($"the world has no field {name}");
        }
    }

    private static Vec3 Vector(JsonElement json) =>
        new(json[0].GetSingle(), json[1].GetSingle(), json[2].GetSingle());

    /// <summary>What the world felt of its inputs, and where it stands.</summary>
    public static JsonObject Get(ScriptedWorld world) => new()
    {
        ["menu"] = world.Menu,
        ["time_s"] = world.TimeS,
        ["position"] = new JsonArray(world.Position.X, world.Position.Y, world.Position.Z),
        ["yaw"] = world.YawRad,
        ["pitch"] = world.PitchRad,
        ["kills"] = world.Kills,
        ["levels"] = world.Level + world.XpFraction,
        ["taken"] = world.DamageTaken,
        ["move"] = new JsonArray(world.Controls.MoveX, world.Controls.MoveY),
        ["jumps"] = world.Jumps,
        ["jump_held"] = world.JumpHeld,
        ["sliding"] = world.Sliding,
        ["interactions"] = world.Interactions,
        ["presses"] = world.Presses,
        ["last_pressed"] = world.LastPressed,
        ["focused"] = world.Focused,
    };

    /// <summary>The state as a reader of the real game would give it; ends and rewards are given once.</summary>
    public static void Fill(ScriptedWorld world, StateRecord state)
    {
        state.Position = world.Position;
        state.Velocity = world.Velocity;
        state.Health = world.Health;
        state.MaxHealth = world.MaxHealth;
        state.GameTimeS = world.TimeS;
        state.IsPlaying = world.IsPlaying;
        state.IsPaused = world.IsPaused;
        state.Menu = world.Menu;
        state.Options.AddRange(world.Options);
        state.Enemies.AddRange(world.Enemies);
        state.HasScene = true;
        state.CameraYawRad = world.YawRad;
        state.CameraPitchRad = world.PitchRad;
        state.Objects.AddRange(world.Objects);
        state.Run.Level = (ushort)world.Level;
        state.Run.XpFraction = world.XpFraction;
        state.Run.Kills = (uint)world.Kills;
        state.Run.Gold = (uint)world.Gold;
        state.Run.DamageDealt = world.DamageDealt;
        state.Run.DamageTaken = world.DamageTaken;
        state.Run.Seed = world.Seed;
        state.Run.Reward = world.Reward;
        state.Run.Flags = (byte)((world.Ended ? RunInfo.Ended : 0) | (world.Won ? RunInfo.Won : 0));
        world.Reward = 0;
        world.Ended = world.Won = false;
    }
}
