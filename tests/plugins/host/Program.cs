// The game-free host: the plugins' Unity-free parts with a scripted world, as a console program.
//   host parts                           what the small parts do, as JSON
//   host golden FILE                     one JSON line a vector: what C# makes of it, both ways
//   host link [--port N] [--pipe NAME] [--hz N] [--format jpeg|raw_rgb] [--seed N] …   a world behind BonkLink
//   host rewards TABLE                   one JSON line of counters in, the reward of a step out
//   host replay --steps N [--seed N]     one run in lock-step, and the hash of all that it gave
//   host research [--instance N] [--seed N] …                                          a world behind shared memory
using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text.Json;
using System.Text.Json.Nodes;
using BonkLink;

namespace Host;

public static class Program
{
    public static int Main(string[] arguments)
    {
        var options = Options(arguments);
        switch (arguments.FirstOrDefault())
        {
            case "golden":
                Golden(arguments[1]);
                return 0;
            case "parts":
                Parts();
                return 0;
            case "rewards":
                Rewards(arguments[1]);
                return 0;
            case "link":
                return new LinkHost(options).Run();
            case "research":
                return new ResearchHost(options).Run();
            case "replay":
                return new ResearchHost(options).Replay(int.Parse(options["steps"], CultureInfo.InvariantCulture));
            default:
                Console.Error.WriteLine(
                    "host: parts | golden FILE | rewards TABLE | link … | research … | replay --steps N …");
                return 2;
        }
    }

    /// <summary>What the small parts do: fields with several ways, guarded sections, JSON.</summary>
    private static void Parts()
    {
        var said = new JsonArray();
        Guarded.Warn = text => said.Add(text);
        int first = 0, second = 0;
        string? there = null;
        var missing = new Field<int>("a", -1, () => throw new MissingMethodException($"way {++first}"), () => ++second);
        var late = new Field<int>("b", -1, () => there!.Length);
        var all = new JsonArray(missing.Read(), missing.Read(), first, late.Read(), late.Read());
        there = "four";
        all.Add(late.Read());
        var none = new Field<int>("c", -1, () => throw new MissingFieldException("c"));
        all.Add(none.Read());
        for (var i = 0; i < 3; i++)
        {
            Guarded.Run("section", () => throw new InvalidOperationException("it broke"));
        }
        var json = new JsonText().Open('{').Key("text").Value("\"ö\\\n").Key("list").Open('[').Value(1.5f).Value(0.1f)
            .Value(float.NaN).Value(7).Value(true).Close(']').Key("none").Open('[').Close(']').Close('}');
        var folders = new JsonArray(
            ResearchPlugin.SharedFrame.FolderOf(false, _ => true),
            ResearchPlugin.SharedFrame.FolderOf(true, _ => false),
            ResearchPlugin.SharedFrame.FolderOf(true, name => name.Length == 10 && name.StartsWith('Z')));
        var answer = new JsonObject
        {
            ["held"] = Held(), ["folders"] = folders,
            ["fields"] = all, ["said"] = said, ["json"] = json.ToString(),
        };
        Console.WriteLine(answer.ToJsonString());
    }

    /// <summary>One press, even frames, a long one that ends it, short ones after it: is the button down?</summary>
    private static JsonArray Held()
    {
        var hands = new Hands();
        hands.Receive(1, new AgentAction { Fire = true }, 0);
        var (down, nowS) = (new JsonArray(), 0.0);
        foreach (var tickS in new[] { 0.02, 0.02, 0.09, 0.005, 0.005 })
        {
            nowS += tickS == 0.09 ? 0.03 : tickS;
            down.Add(hands.Take(nowS, tickS).Fire);
        }
        return down;
    }

    private static void Rewards(string table)
    {
        var rule = new ResearchPlugin.RewardRule(ResearchPlugin.RewardTable.All.First(t => t.Name == table));
        rule.Begin(default);
        while (Console.In.ReadLine() is { } line)
        {
            using var document = JsonDocument.Parse(line);
            var json = document.RootElement;
            Console.WriteLine(rule.Of(new ResearchPlugin.RunCounters
            {
                Kills = json.GetProperty("kills").GetInt32(),
                TimeMs = json.GetProperty("time_ms").GetInt32(),
                Levels = json.GetProperty("levels").GetSingle(),
                DamageTaken = json.GetProperty("damage").GetSingle(),
                MaxHealth = json.GetProperty("max_health").GetSingle(),
                Ended = json.GetProperty("ended").GetBoolean(),
                Won = json.GetProperty("won").GetBoolean(),
            }).ToString(CultureInfo.InvariantCulture));
        }
    }

    private static Dictionary<string, string> Options(string[] arguments)
    {
        var options = new Dictionary<string, string>();
        for (var i = 1; i + 1 < arguments.Length; i++)
        {
            if (arguments[i].StartsWith("--"))
            {
                options[arguments[i][2..]] = arguments[++i];
            }
        }
        return options;
    }

    private static void Golden(string file)
    {
        using var document = JsonDocument.Parse(File.ReadAllText(file));
        foreach (var packet in document.RootElement.GetProperty("packets").EnumerateArray())
        {
            var buffer = new ByteBuffer();
            var frame = Convert.FromHexString(packet.GetProperty("frame_hex").GetString()!);
            Wire.WritePacket(buffer, StateJson.Parse(packet.GetProperty("state")), frame);
            var hex = Convert.ToHexString(buffer.Bytes, 0, buffer.Count).ToLowerInvariant();
            var state = StateJson.Decode(Convert.FromHexString(packet.GetProperty("state_hex").GetString()!));
            Console.WriteLine(new JsonObject { ["packet_hex"] = hex, ["state"] = state }.ToJsonString());
        }
        foreach (var golden in document.RootElement.GetProperty("actions").EnumerateArray())
        {
            JsonObject? decoded = null;
            var decoder = new ActionDecoder(a => decoded = StateJson.Write(a));
            decoder.Feed(Convert.FromHexString(golden.GetProperty("hex").GetString()!));
            var hex = Convert.ToHexString(StateJson.Encode(golden.GetProperty("action"))).ToLowerInvariant();
            Console.WriteLine(new JsonObject { ["hex"] = hex, ["action"] = decoded }.ToJsonString());
        }
    }
}
