// The game-free host: the plugins' Unity-free parts with a scripted world, as a console program.
//   host golden FILE                     one JSON line a vector: what C# makes of it, both ways
//   host link [--port N] [--pipe NAME] [--hz N] [--format jpeg|raw_rgb] [--seed N] …   a world behind BonkLink
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
            case "link":
                return new LinkHost(options).Run();
            case "research":
                return new ResearchHost(options).Run();
            case "replay":
                return new ResearchHost(options).Replay(int.Parse(options["steps"], CultureInfo.InvariantCulture));
            default:
                Console.Error.WriteLine("host: golden FILE | link … | research … | replay --steps N …");
                return 2;
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
