// States and actions as the JSON of the golden vectors, both ways. The host's own; no plugin needs it.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using BonkLink;

namespace Host;

public static class StateJson
{
    public static StateRecord Parse(JsonElement json)
    {
        var state = new StateRecord
        {
            Position = Vector(json.GetProperty("position")),
            Velocity = Vector(json.GetProperty("velocity")),
            Health = json.GetProperty("health").GetSingle(),
            MaxHealth = json.GetProperty("max_health").GetSingle(),
            GameTimeS = json.GetProperty("game_time_s").GetSingle(),
            IsPlaying = json.GetProperty("is_playing").GetBoolean(),
            IsPaused = json.GetProperty("is_paused").GetBoolean(),
            Menu = json.GetProperty("current_menu").GetString()!,
            Unknown = Convert.FromHexString(json.GetProperty("unknown_hex").GetString()!),
        };
        state.Options.AddRange(json.GetProperty("level_up_options").EnumerateArray().Select(o => o.GetString()!));
        foreach (var row in json.GetProperty("enemies").EnumerateArray())
        {
            state.Enemies.Add(new EnemyRow { Position = Vector(row), Health = row[3].GetSingle() });
        }
        Trailers(json, state);
        return state;
    }

    private static void Trailers(JsonElement json, StateRecord state)
    {
        if (json.TryGetProperty("hinp", out var human) && human.ValueKind == JsonValueKind.Object)
        {
            state.HasHuman = true;
            state.Human = Human(human);
        }
        if (json.TryGetProperty("blx1", out var run) && run.ValueKind == JsonValueKind.Object)
        {
            state.HasRun = true;
            state.Run = Run(run);
        }
        if (json.TryGetProperty("blx2", out var scene) && scene.ValueKind == JsonValueKind.Object)
        {
            state.HasScene = true;
            state.CameraYawRad = scene.GetProperty("yaw").GetSingle();
            state.CameraPitchRad = scene.GetProperty("pitch").GetSingle();
            var kinds = scene.GetProperty("kinds");
            for (var i = 0; i < state.Enemies.Count; i++)
            {
                var row = state.Enemies[i];
                row.Kind = kinds[i].GetByte();
                state.Enemies[i] = row;
            }
            foreach (var row in scene.GetProperty("objects").EnumerateArray())
            {
                var at = new Vec3(row[1].GetSingle(), row[2].GetSingle(), row[3].GetSingle());
                state.Objects.Add(new ObjectRow { Kind = row[0].GetByte(), Position = at });
            }
        }
    }

    public static HumanInput Human(JsonElement json) => new()
    {
        Version = json.TryGetProperty("version", out var version) ? version.GetInt32() : 1,
        MoveX = json.GetProperty("move")[0].GetSingle(),
        MoveY = json.GetProperty("move")[1].GetSingle(),
        LookX = json.GetProperty("look")[0].GetSingle(),
        LookY = json.GetProperty("look")[1].GetSingle(),
        Fire = json.GetProperty("fire").GetBoolean(),
        Ability = json.GetProperty("ability").GetBoolean(),
        Interact = json.GetProperty("interact").GetBoolean(),
        Click = json.GetProperty("ui_click").GetBoolean(),
        ClickX = json.GetProperty("click")[0].GetSingle(),
        ClickY = json.GetProperty("click")[1].GetSingle(),
    };

    private static RunInfo Run(JsonElement json) => new()
    {
        Sequence = json.GetProperty("sequence").GetUInt32(),
        CaptureTimeUs = json.GetProperty("capture_us").GetUInt64(),
        CaptureWidth = json.GetProperty("capture")[0].GetUInt16(),
        CaptureHeight = json.GetProperty("capture")[1].GetUInt16(),
        ScreenWidth = json.GetProperty("screen")[0].GetUInt16(),
        ScreenHeight = json.GetProperty("screen")[1].GetUInt16(),
        Flags = json.GetProperty("flags").GetByte(),
        Level = json.GetProperty("level").GetUInt16(),
        XpFraction = json.GetProperty("xp").GetSingle(),
        Kills = json.GetProperty("kills").GetUInt32(),
        Gold = json.GetProperty("gold").GetUInt32(),
        DamageDealt = json.GetProperty("dealt").GetSingle(),
        DamageTaken = json.GetProperty("taken").GetSingle(),
        Seed = json.GetProperty("seed").GetUInt64(),
        Reward = json.GetProperty("reward").GetSingle(),
    };

    private static Vec3 Vector(JsonElement json) =>
        new(json[0].GetSingle(), json[1].GetSingle(), json[2].GetSingle());

    /// <summary>Read one state's bytes back; strict, for golden states only.</summary>
    public static JsonObject Decode(byte[] bytes)
    {
        using var reader = new BinaryReader(new MemoryStream(bytes), Encoding.UTF8);
        var json = new JsonObject
        {
            ["position"] = Floats(reader, 3),
            ["velocity"] = Floats(reader, 3),
            ["health"] = reader.ReadSingle(),
            ["max_health"] = reader.ReadSingle(),
            ["game_time_s"] = reader.ReadSingle(),
            ["is_playing"] = reader.ReadByte() != 0,
            ["is_paused"] = reader.ReadByte() != 0,
        };
        var enemies = new JsonArray();
        for (var n = reader.ReadInt32(); n > 0; n--)
        {
            enemies.Add(Floats(reader, 4));
        }
        json["enemies"] = enemies;
        json["current_menu"] = reader.ReadString();
        var options = new JsonArray();
        for (var n = reader.ReadInt32(); n > 0; n--)
        {
            options.Add(reader.ReadString());
        }
        json["level_up_options"] = options;
        json["hinp"] = Starts(reader, Wire.HinpMagic) && reader.ReadInt32() == 1 ? ReadHuman(reader) : null;
        json["blx1"] = Starts(reader, Wire.Blx1Magic) ? ReadRun(reader) : null;
        json["blx2"] = Starts(reader, Wire.Blx2Magic) ? ReadScene(reader) : null;
        var left = (int)(bytes.Length - reader.BaseStream.Position);
        json["unknown_hex"] = Convert.ToHexString(reader.ReadBytes(left)).ToLowerInvariant();
        return json;
    }

    private static bool Starts(BinaryReader reader, uint magic)
    {
        var stream = reader.BaseStream;
        if (stream.Length - stream.Position < 4)
        {
            return false;
        }
        if (reader.ReadUInt32() == magic)
        {
            return true;
        }
        stream.Position -= 4;
        return false;
    }

    private static JsonObject ReadHuman(BinaryReader reader) => new()
    {
        ["move"] = Floats(reader, 2),
        ["look"] = Floats(reader, 2),
        ["fire"] = reader.ReadByte() != 0,
        ["ability"] = reader.ReadByte() != 0,
        ["interact"] = reader.ReadByte() != 0,
        ["ui_click"] = reader.ReadByte() != 0,
        ["click"] = Floats(reader, 2),
    };

    private static JsonObject ReadRun(BinaryReader reader)
    {
        var end = reader.ReadUInt32() + reader.BaseStream.Position;
        var json = new JsonObject
        {
            ["sequence"] = reader.ReadUInt32(),
            ["capture_us"] = reader.ReadUInt64(),
            ["capture"] = new JsonArray(reader.ReadUInt16(), reader.ReadUInt16()),
            ["screen"] = new JsonArray(reader.ReadUInt16(), reader.ReadUInt16()),
            ["flags"] = reader.ReadUInt16() & 0xFF,
            ["level"] = reader.ReadUInt16(),
            ["xp"] = reader.ReadSingle(),
            ["kills"] = reader.ReadUInt32(),
            ["gold"] = reader.ReadUInt32(),
            ["dealt"] = reader.ReadSingle(),
            ["taken"] = reader.ReadSingle(),
            ["seed"] = reader.ReadUInt64(),
            ["reward"] = reader.ReadSingle(),
        };
        reader.BaseStream.Position = end;
        return json;
    }

    private static JsonObject ReadScene(BinaryReader reader)
    {
        reader.ReadUInt32();
        var json = new JsonObject { ["yaw"] = reader.ReadSingle(), ["pitch"] = reader.ReadSingle() };
        var kinds = new JsonArray();
        for (var n = reader.ReadUInt16(); n > 0; n--)
        {
            kinds.Add((int)reader.ReadByte());
        }
        json["kinds"] = kinds;
        var objects = new JsonArray();
        for (var m = reader.ReadUInt16(); m > 0; m--)
        {
            var row = new JsonArray((int)reader.ReadByte());
            for (var i = 0; i < 3; i++)
            {
                row.Add(reader.ReadSingle());
            }
            objects.Add(row);
        }
        json["objects"] = objects;
        return json;
    }

    private static JsonArray Floats(BinaryReader reader, int count)
    {
        var array = new JsonArray();
        for (var i = 0; i < count; i++)
        {
            array.Add(reader.ReadSingle());
        }
        return array;
    }

    /// <summary>One action as the golden vectors write it.</summary>
    public static JsonObject Write(in AgentAction a) => new()
    {
        ["move"] = new JsonArray(a.MoveX, a.MoveY),
        ["look"] = new JsonArray(a.LookX, a.LookY),
        ["fire"] = a.Fire,
        ["ability"] = a.Ability,
        ["interact"] = a.Interact,
        ["click"] = a.Click ? new JsonArray(a.ClickX, a.ClickY) : null,
        ["answers"] = a.HasAnswer ? a.Answers : null,
    };

    /// <summary>An action's bytes, its size included.</summary>
    public static byte[] Encode(JsonElement json)
    {
        var to = new ByteBuffer();
        to.I32(0);
        var axes = json.GetProperty("move").EnumerateArray().Concat(json.GetProperty("look").EnumerateArray());
        foreach (var axis in axes)
        {
            to.F32(axis.GetSingle());
        }
        var click = json.GetProperty("click");
        var clicks = click.ValueKind == JsonValueKind.Array;
        to.Flag(json.GetProperty("fire").GetBoolean());
        to.Flag(json.GetProperty("ability").GetBoolean());
        to.Flag(json.GetProperty("interact").GetBoolean());
        to.Flag(clicks);
        if (clicks)
        {
            to.I32(click[0].GetInt32());
            to.I32(click[1].GetInt32());
        }
        if (json.GetProperty("answers").ValueKind == JsonValueKind.Number)
        {
            to.U32(Wire.Acx1Magic);
            to.U32(json.GetProperty("answers").GetUInt32());
        }
        to.PatchI32(0, to.Count - 4);
        return to.Bytes.AsSpan(0, to.Count).ToArray();
    }
}
