// The scripted world behind BonkLink in real time, steered by JSON lines on standard input:
//   {"set": {…}} changes the world, {"human": {…}} is a frame of human input, {"get": true} asks (with "memory" for
//   more), {"stop": true} ends.
// Each line is answered by one line. The first line of output says where the server listens.
using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading;
using BonkLink;

namespace Host;

public sealed class LinkHost : IGame
{
    private readonly ScriptedWorld _world;
    private readonly MenuDriver _menus = new();
    private readonly FrameEncoder _frames;
    private readonly InputLatch _human = new();
    private readonly Hands _hands = new();
    private readonly PumpOptions _options;
    private readonly ITransport _transport;
    private readonly bool _bottomUp;
    private readonly double _hz;
    private readonly ConcurrentQueue<string> _lines = new();
    private readonly byte[] _pixels;
    private AgentAction _action, _before;
    private long _ticks, _reads, _neutralTicks, _neutralSince = -1;
    private double _longestGapS, _longestHoldS;

    public LinkHost(Dictionary<string, string> options)
    {
        string Get(string name, string otherwise) => options.TryGetValue(name, out var value) ? value : otherwise;
        _world = new ScriptedWorld(ulong.Parse(Get("seed", "1"), CultureInfo.InvariantCulture));
        _hz = double.Parse(Get("hz", "60"), CultureInfo.InvariantCulture);
        var size = Get("capture", "320x180").Split('x');
        _options = new PumpOptions
        {
            UpdateHz = _hz,
            FrameHz = double.Parse(Get("frame-hz", "10"), CultureInfo.InvariantCulture),
            CaptureWidth = int.Parse(size[0], CultureInfo.InvariantCulture),
            CaptureHeight = int.Parse(size[1], CultureInfo.InvariantCulture),
            SendsHuman = Get("human", "0") == "1",
        };
        _bottomUp = Get("rows", "bottom-up") == "bottom-up";
        _frames = new FrameEncoder(Get("format", "jpeg") == "jpeg" ? FrameFormat.Jpeg : FrameFormat.RawRgb, 90);
        _pixels = new byte[_options.CaptureWidth * _options.CaptureHeight * 3];
        _transport = options.TryGetValue("pipe", out var pipe)
            ? new PipeTransport(pipe)
            : new TcpTransport(int.Parse(Get("port", "0"), CultureInfo.InvariantCulture));
    }

    public (int Width, int Height) ScreenSize => (ScriptedWorld.ScreenWidth, ScriptedWorld.ScreenHeight);

    public int Run()
    {
        var clock = Stopwatch.StartNew();
        double Now() => clock.Elapsed.TotalSeconds;
        using var server = new LinkServer(_transport, _hands, Now, Console.Error.WriteLine);
        server.Start();
        var pump = new LinkPump(this, server, _hands, _frames, _human, _options);
        new Thread(ReadLines) { IsBackground = true }.Start();
        Console.WriteLine(new JsonObject { ["listens"] = _transport.Name }.ToJsonString());
        double dueS = Now(), beforeS = Now();
        while (true)
        {
            while (_lines.TryDequeue(out var line))
            {
                if (!Obey(line, server, pump))
                {
                    return 0;
                }
            }
            dueS = Math.Max(dueS + 1 / _hz, Now() - 1);
            SleepUntil(dueS, Now);
            var now = Now();
            _longestGapS = Math.Max(_longestGapS, now - beforeS);
            _world.Step((float)Math.Min(now - beforeS, 0.1));
            beforeS = now;
            pump.Tick(now);
            _ticks++;
        }
    }

    private static void SleepUntil(double dueS, Func<double> now)
    {
        for (var left = dueS - now(); left > 0; left = dueS - now())
        {
            Thread.Sleep(left > 0.002 ? (int)((left - 0.001) * 1000) : 1);
        }
    }

    private void ReadLines()
    {
        while (Console.In.ReadLine() is { } line)
        {
            _lines.Enqueue(line);
        }
        _lines.Enqueue("{\"stop\":true}");
    }

    private bool Obey(string line, LinkServer server, LinkPump pump)
    {
        using var document = JsonDocument.Parse(line);
        var command = document.RootElement;
        if (command.TryGetProperty("stop", out _))
        {
            return false;
        }
        if (command.TryGetProperty("set", out var values))
        {
            WorldJson.Set(_world, values);
        }
        if (command.TryGetProperty("human", out var human))
        {
            _human.Sample(StateJson.Human(human));
        }
        var report = Report(server, pump);
        if (command.TryGetProperty("memory", out _))
        {
            report["managed_bytes"] = GC.GetTotalMemory(true);
            report["working_set_bytes"] = Process.GetCurrentProcess().WorkingSet64;
        }
        Console.WriteLine(report.ToJsonString());
        return true;
    }

    private JsonObject Report(LinkServer server, LinkPump pump)
    {
        var (actions, oversized, malformed) = server.Counts;
        var json = WorldJson.Get(_world);
        json["action"] = StateJson.Write(_action);
        json["ticks"] = _ticks;
        json["reads"] = _reads;
        json["neutral_ticks"] = _neutralTicks;
        json["neutral_run"] = _neutralSince < 0 ? 0 : _ticks - _neutralSince;
        json["longest_gap_s"] = _longestGapS;
        json["longest_hold_s"] = _longestHoldS;
        json["clients"] = server.Clients;
        json["present"] = server.Present.Length;
        json["owner"] = _hands.Owner;
        json["heard"] = _hands.Received;
        json["counted"] = _hands.Counted;
        json["is_driven"] = pump.IsDriven;
        json["packets"] = pump.Packets;
        json["skipped"] = pump.Skipped;
        json["actions"] = actions + _hands.Received;
        json["oversized"] = oversized;
        json["malformed"] = malformed;
        json["menu_presses"] = _menus.Presses;
        json["threads"] = Process.GetCurrentProcess().Threads.Count;
        json["collections"] = GC.CollectionCount(0);
        return json;
    }

    // --- the game's side of the pump ---

    public void Apply(in AgentAction action, float seconds, double nowS)
    {
        (_before, _action) = (_action, action);
        var neutral = action.Equals(default(AgentAction));
        if (!neutral && !double.IsInfinity(_hands.ReceivedS))
        {
            _longestHoldS = Math.Max(_longestHoldS, nowS + seconds - _hands.ReceivedS);
        }
        _neutralTicks += neutral ? 1 : 0;
        _neutralSince = neutral ? (_neutralSince < 0 ? _ticks : _neutralSince) : -1;
        var (w, h) = ScreenSize;
        _menus.Apply(_world, action, _options.CaptureWidth, _options.CaptureHeight, w, h, nowS);
        if (_world.Menu == MenuNames.Play)
        {
            _world.Steer(PlayControls.From(action, _before, seconds));
        }
    }

    public void Read(StateRecord state)
    {
        _reads++;
        WorldJson.Fill(_world, state);
    }

    public void RequestFrame()
    {
        _world.Draw(_pixels, _options.CaptureWidth, _options.CaptureHeight);
        var (width, height) = (_options.CaptureWidth, _options.CaptureHeight);
        if (_bottomUp)
        {
            for (var y = 0; y < height / 2; y++)
            {
                Span<byte> above = _pixels.AsSpan(y * width * 3, width * 3);
                Span<byte> below = _pixels.AsSpan((height - 1 - y) * width * 3, width * 3);
                var kept = above.ToArray();
                below.CopyTo(above);
                kept.CopyTo(below);
            }
        }
        _frames.Submit(_pixels, width, height, 3, _bottomUp);
    }
}
