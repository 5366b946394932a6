// A whole plugin against a fake game: the stand-in assemblies hold what this program puts into them, and the
// plugin reads and drives them as it would the real ones. It shows what the plugin does with the members that it knows;
// it cannot show that the real game has them.
//   fakegame ASSEMBLY CONFIG-FOLDER [SECTION.KEY VALUE]…
//   fakegame members ASSEMBLY…                            what the stand-in assemblies declare
// Standard input: one JSON object a line, {"set": {…}}, {"press": …} and the like; each is answered with a report.
using System;
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading;
using BepInEx;
using BepInEx.Unity.IL2CPP;
using BepInEx.Unity.IL2CPP.Utils;
using HarmonyLib;
using UnityEngine;

namespace FakeGame;

public static class Program
{
    private static readonly ConcurrentQueue<string> Lines = new();
    /// <summary>Frames in the main menu before anybody is answered, as while a game boots.</summary>
    private const int BootFrames = 8;

    private static double _dueS, _frameS = 1 / 60.0, _bootPauseS;
    private static bool _isGameFirst;
    private static readonly Stopwatch Clock = Stopwatch.StartNew();

    public static int Main(string[] arguments)
    {
        if (arguments[0] == "members")
        {
            Members.Write(arguments[1..]);
            return 0;
        }
        Paths.ConfigPath = arguments[1];
        var world = new FakeWorld();
        Assets.Scripts.Managers.MapController.IsMainMenuIs = true;
        var assembly = Assembly.Load(arguments[0]);
        var entry = Array.Find(assembly.GetTypes(), t => t.IsSubclassOf(typeof(BasePlugin)))!;
        var plugin = (BasePlugin)Activator.CreateInstance(entry)!;
        Configure(plugin, assembly, arguments);
        plugin.Load();
        new Thread(ReadLines) { IsBackground = true }.Start();
        var said = false;
        for (var frame = 0; ; frame++)
        {
            if (frame == BootFrames)
            {
                Thread.Sleep(TimeSpan.FromSeconds(_bootPauseS));
            }
            Engine(frame, world);
            var listens = said ? null : Listens(plugin);
            // The server of BonkLink listens a moment after its thread was started.
            if (!said && frame >= BootFrames && (listens != null || frame >= 300 || arguments[0] != "BonkLink"))
            {
                // A client's wish may have begun a run already while the game booted.
                Assets.Scripts.Managers.MapController.IsMainMenuIs &= arguments[0] == "ResearchPlugin";
                said = true;
                Console.WriteLine(new JsonObject { ["listens"] = listens }.ToJsonString());
            }
            while (Lines.TryDequeue(out var line))
            {
                if (Obeyed(line, plugin, world, frame))
                {
                    return 0;
                }
            }
        }
    }

    private static string? Listens(BasePlugin plugin)
    {
        lock (plugin.Log.Lines)
        {
            return plugin.Log.Lines.Find(l => l.Contains("listening at"))?.Split("at ")[^1];
        }
    }

    /// <summary>What the command line sets: the plugin's configuration, and the fake game's own under Fake.</summary>
    private static void Configure(BasePlugin plugin, Assembly assembly, string[] arguments)
    {
        plugin.Config.ConfigFilePath = System.IO.Path.Combine(Paths.ConfigPath, arguments[0] + ".cfg");
        for (var i = 2; i + 1 < arguments.Length; i += 2)
        {
            plugin.Config.Written[arguments[i]] = arguments[i + 1];
            if (arguments[i] == "Fake.Fps")
            {
                _frameS = 1 / double.Parse(arguments[i + 1]);
            }
            else if (arguments[i] == "Fake.BootPauseS")
            {
                _bootPauseS = double.Parse(arguments[i + 1]);
            }
            else if (arguments[i] == "Fake.StartsInRun")
            {
                Assets.Scripts.Managers.MapController.IsMainMenuIs = !bool.Parse(arguments[i + 1]);
                Assets.Scripts.Managers.MapController.runConfig = new Assets.Scripts.Game.Other.RunConfig();
            }
            else if (arguments[i] == "Fake.GameFirst")
            {
                _isGameFirst = bool.Parse(arguments[i + 1]);
            }
            else if (arguments[i] == "Fake.Twin")
            {
                Il2CppInterop.Common.Il2CppInteropUtils.Twins.Add(arguments[i + 1]);
            }
            else if (arguments[i].StartsWith("Fake.NewRun."))
            {
                var name = arguments[i]["Fake.NewRun.".Length..];
                assembly.GetType("ResearchPlugin.NewRun")!.GetProperty(name)!
                    .SetValue(null, double.Parse(arguments[i + 1]));
            }
            else if (arguments[i] == "Fake.Readback")
            {
                UnityEngine.Rendering.AsyncGPUReadback.Mode = arguments[i + 1];
            }
            else if (arguments[i] == "Fake.ReadPixels")
            {
                Texture2D.Fails = arguments[i + 1] == "fails";
            }
            else if (arguments[i] == "Fake.Folded")
            {
                Il2CppInterop.Common.Il2CppInteropUtils.Folded.Add(arguments[i + 1]);
            }
        }
    }

    /// <summary>Does what a line says; true where the game is over.</summary>
    private static bool Obeyed(string line, BasePlugin plugin, FakeWorld world, int frame)
    {
        using var command = JsonDocument.Parse(line);
        if (command.RootElement.TryGetProperty("stop", out _))
        {
            Sabotage.Mend();
            plugin.Unload();
            return true;
        }
        if (command.RootElement.TryGetProperty("quit", out _))
        {
            BasePlugin.Components.ForEach(c => Call(c, "OnApplicationQuit"));
            Engine(frame, world);
            return true;
        }
        if (command.RootElement.TryGetProperty("break", out var broken))
        {
            Sabotage.Break(plugin, broken.GetString()!);
        }
        world.Obey(command.RootElement);
        var report = world.Report();
        lock (plugin.Log.Lines)
        {
            report["log"] = new JsonArray(plugin.Log.Lines.ConvertAll(l => (JsonNode)l!).ToArray());
        }
        Console.WriteLine(report.ToJsonString());
        return false;
    }

    /// <summary>One frame as the engine runs it: the fixed steps that are due, Update, LateUpdate, its end.</summary>
    private static void Engine(int frame, FakeWorld world)
    {
        var nowS = Clock.Elapsed.TotalSeconds;
        // Frames of captured time are not paced, so they leave no time to be waited for afterwards.
        _dueS = Time.captureDeltaTime > 0 ? nowS : Math.Max(_dueS + _frameS, nowS - 1);
        if (_dueS > nowS)
        {
            Thread.Sleep(TimeSpan.FromSeconds(_dueS - nowS));
        }
        Time.unscaledTime = (float)Clock.Elapsed.TotalSeconds;
        Time.unscaledDeltaTime = (float)_frameS;
        for (var due = world.Pass(Time.captureDeltaTime > 0 ? Time.captureDeltaTime : _frameS); due > 0; due--)
        {
            FixedSteps();
        }
        foreach (var component in BasePlugin.Components)
        {
            if (frame == 0)
            {
                Call(component, "Start");
            }
            Call(component, "Update");
        }
        FakeInput.Update();
        BasePlugin.Components.ForEach(c => Call(c, "LateUpdate"));
        MonoBehaviourExtensions.Running.ForEach(c => c.MoveNext());
    }

    /// <summary>One fixed step of the game and of the components, in either order: Unity promises none.</summary>
    private static void FixedSteps()
    {
        if (_isGameFirst)
        {
            FakeInput.FixedUpdate();
        }
        BasePlugin.Components.ForEach(c => Call(c, "FixedUpdate"));
        if (!_isGameFirst)
        {
            FakeInput.FixedUpdate();
        }
    }

    private static void Call(object component, string name) =>
        component.GetType().GetMethod(name, BindingFlags.NonPublic | BindingFlags.Instance)?.Invoke(component, null);

    private static void ReadLines()
    {
        while (Console.In.ReadLine() is { } line)
        {
            Lines.Enqueue(line);
        }
        Lines.Enqueue("{\"stop\":true}");
    }
}
