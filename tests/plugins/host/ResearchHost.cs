// The scripted world behind shared memory. Steps of a fixed 1/50 s while a client steers; the normal pace otherwise.
// Standard input: any line is answered with a report, "stop" or its end stops the host.
using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.Linq;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using System.Threading;
using BonkLink;
using ResearchPlugin;

namespace Host;

public sealed class ResearchHost
{
    public const float StepS = 1f / 50;
    private readonly ScriptedWorld _world;
    private readonly byte[] _pixels;
    private readonly SharedFrame _frame;
    private readonly Stepper _stepper;
    private readonly Func<double> _now;
    private readonly MenuDriver _menus = new();
    private readonly ConcurrentQueue<string> _lines = new();
    private AgentAction _before;
    private double _longestGapS, _timeS;
    private long _ranOn, _steps;

    public ResearchHost(Dictionary<string, string> options)
    {
        string Get(string name, string otherwise) => options.TryGetValue(name, out var value) ? value : otherwise;
        _world = new ScriptedWorld(ulong.Parse(Get("seed", "1"), CultureInfo.InvariantCulture));
        var size = Get("size", "84x84").Split('x');
        var width = int.Parse(size[0], CultureInfo.InvariantCulture);
        var height = int.Parse(size[1], CultureInfo.InvariantCulture);
        _pixels = new byte[width * height * 3];
        var instance = int.Parse(Get("instance", "0"), CultureInfo.InvariantCulture);
        _frame = new SharedFrame(instance, width, height, options.TryGetValue("dir", out var folder) ? folder : null);
        var clock = Stopwatch.StartNew();
        _now = () => clock.Elapsed.TotalSeconds;
        var patienceS = double.Parse(Get("patience", "60"), CultureInfo.InvariantCulture);
        var rewards = RewardTable.All.First(table => table.Name == Get("rewards", "score"));
        _stepper = new Stepper(_frame, rewards, _now, Console.Error.WriteLine, 0.5, patienceS);
        _world.Menu = MenuNames.Play;
    }

    public int Run()
    {
        new Thread(ReadLines) { IsBackground = true }.Start();
        Console.WriteLine(new JsonObject { ["map"] = "ready" }.ToJsonString());
        var lastS = _now();
        var spins = new SpinWait();
        using (_frame)
        {
            while (true)
            {
                if (_lines.TryDequeue(out var line))
                {
                    if (line == "stop")
                    {
                        return 0;
                    }
                    Console.WriteLine(Report().ToJsonString());
                }
                var order = _stepper.Poll(out var action);
                if (order == Order.Wait)
                {
                    // A client that steps answers sooner; one that thinks costs no processor time.
                    spins.SpinOnce(1000);
                    continue;
                }
                spins.Reset();
                _longestGapS = Math.Max(_longestGapS, _now() - lastS);
                Obey(order, action);
                lastS = _now();
            }
        }
    }

    /// <summary>
    /// Play `steps` steps with a scripted client in this thread; the hash covers every observation, reward and end.
    /// </summary>
    public int Replay(int steps)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var clock = Stopwatch.StartNew();
        int episodes = 0, size = SharedFrame.SizeOf(_frame.Width, _frame.Height) - SharedFrame.ActionBytes;
        var random = 1u;
        using (_frame)
        {
            _frame.Flag = Flags.Reset;
            for (var i = 0; i <= steps; i++)
            {
                var order = _stepper.Poll(out var action);
                Obey(order, action);
                var bytes = _frame.Bytes(8, size - 8);
                hash.AppendData(bytes);
                if (bytes[4] != 0)
                {
                    episodes++;
                    _frame.Flag = Flags.Reset;
                    continue;
                }
                random = random * 1664525 + 1013904223;
                _frame.WriteAction(stackalloc float[]
                {
                    (int)(random >> 16 & 3) - 1, (int)(random >> 18 & 3) - 1, random >> 20 & 1, random >> 21 & 1,
                    random >> 22 & 1, random >> 23 & 1,
                });
                _frame.Flag = Flags.Action;
            }
        }
        var json = new JsonObject
        {
            ["hash"] = Convert.ToHexString(hash.GetHashAndReset()).ToLowerInvariant(),
            ["episodes"] = episodes,
            ["steps_per_s"] = steps / clock.Elapsed.TotalSeconds,
        };
        Console.WriteLine(json.ToJsonString());
        return 0;
    }

    private void Obey(Order order, in ResearchAction action)
    {
        switch (order)
        {
            case Order.RunOn:
                Advance(default);
                _ranOn++;
                Thread.Sleep(16);
                return;
            case Order.Restart:
                _world.Restart();
                _world.Menu = MenuNames.Play;
                _before = default;
                _timeS = 0;
                break;
            default:
                Advance(action);
                _steps++;
                break;
        }
        _world.Draw(_pixels, _frame.Width, _frame.Height);
        _stepper.Complete(_pixels, Counters());
    }

    private void Advance(in ResearchAction research)
    {
        var action = new AgentAction
        {
            MoveX = research.MoveX,
            MoveY = research.MoveY,
            Fire = research.Fire || (research.Submit && _world.Menu != MenuNames.Play),
            Ability = research.Ability,
            Interact = research.Interact,
        };
        _timeS += StepS;
        _menus.Apply(_world, action, 1, 1, 1, 1, _timeS);
        if (_world.Menu == MenuNames.Play)
        {
            _world.Steer(PlayControls.From(action, _before, StepS));
        }
        _world.Step(StepS);
        _before = action;
    }

    private RunCounters Counters()
    {
        var counters = new RunCounters
        {
            Kills = _world.Kills,
            TimeMs = (int)Math.Round(_world.TimeS * 1000),
            Levels = _world.Level + _world.XpFraction,
            DamageTaken = _world.DamageTaken,
            MaxHealth = _world.MaxHealth,
            Ended = _world.Ended,
            Won = _world.Won,
        };
        _world.Ended = _world.Won = false;
        return counters;
    }

    private JsonObject Report()
    {
        var json = WorldJson.Get(_world);
        json["status"] = (int)_stepper.Status;
        json["longest_gap_s"] = _longestGapS;
        json["ran_on"] = _ranOn;
        json["steps"] = _steps;
        _longestGapS = 0;
        return json;
    }

    private void ReadLines()
    {
        while (Console.In.ReadLine() is { } line)
        {
            _lines.Enqueue(line.Contains("stop") ? "stop" : line);
        }
        _lines.Enqueue("stop");
    }
}
