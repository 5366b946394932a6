// The game's own seeding points, given our seed while a client steps: the engine's generator, the map's seeds, and the
// game's own generator. A run without a client keeps the game's own seeds, and what was replaced is given back.
// Physics and frame-dependent code are not seeded by anything; this makes the map the same, not every bit.
using System;
using HarmonyLib;
using Assets.Scripts.Managers;

namespace ResearchPlugin;

public sealed class Seeding
{
    private static int _seed;
    private static bool _isActive, _isSeeded, _hasGenerator;
    private static Il2CppSystem.Random? _generator;
    private readonly Harmony _harmony = new(Plugin.Id + ".seed");

    public Seeding(int seed)
    {
        _seed = seed;
    }

    /// <summary>True from the first seed that was set until a run begins without a client.</summary>
    public static bool IsSeeded => _isSeeded;

    /// <summary>
    /// Seed from now on, or leave the game's own seeds alone. When the client is gone, the game's own generator comes
    /// back and the engine's goes on from a value that nobody chose.
    /// </summary>
    public void Follow(bool isStepping)
    {
        if (_isActive && !isStepping)
        {
            GiveBack();
        }
        _isActive = isStepping;
    }

    public void Patch()
    {
        var start = new HarmonyMethod(AccessTools.Method(typeof(Seeding), nameof(BeforeStart)));
        Patch(typeof(MapController), "StartNewMap", start, null);
        Patch(typeof(MapController), "RestartRun", start, null);
        Patch(typeof(MapGenerationController), "Awake", null,
            new HarmonyMethod(AccessTools.Method(typeof(Seeding), nameof(AfterAwake))));
        var map = new HarmonyMethod(AccessTools.Method(typeof(Seeding), nameof(BeforeMap)));
        Patch(typeof(MapGenerator), "GenerateMap", map, null);
    }

    public void Unpatch()
    {
        Follow(false);
        _harmony.UnpatchSelf();
    }

    /// <summary>Seed what is seeded before a run starts, while a client steps.</summary>
    public void Begin() => BeforeStart();

    private void Patch(Type type, string name, HarmonyMethod? before, HarmonyMethod? after)
    {
        var patched = false;
        foreach (var method in AccessTools.GetDeclaredMethods(type))
        {
            // A version of the game with other parameters is left alone rather than given a wrong one.
            var fits = name != "GenerateMap" || Array.Exists(method.GetParameters(), p => p.Name == "seed");
            if (method.Name == name && fits)
            {
                _harmony.Patch(method, before, after);
                patched = true;
            }
        }
        if (!patched)
        {
            BonkLink.Guarded.Once("seed " + name, $"seeding: this game has no {type.Name}.{name}; runs differ there");
        }
    }

    private static void GiveBack()
    {
        if (!_hasGenerator)
        {
            return;
        }
        _hasGenerator = false;
        UnityEngine.Random.InitState(Environment.TickCount);
        BonkLink.Guarded.Run("seeding", () => Utility.MyRandom.random = _generator!);
    }

    private static void BeforeStart()
    {
        _isSeeded = _isActive;
        if (!_isActive)
        {
            return;
        }
        UnityEngine.Random.InitState(_seed);
        BonkLink.Guarded.Run("seeding", () =>
        {
            if (!_hasGenerator)
            {
                (_generator, _hasGenerator) = (Utility.MyRandom.random, true);
            }
            Utility.MyRandom.random = new Il2CppSystem.Random(_seed);
        });
    }

    private static void AfterAwake(MapGenerationController __instance)
    {
        if (_isActive)
        {
            __instance.testSeed = _seed;
            MapGenerationController.mapSeed = _seed;
        }
    }

    private static void BeforeMap(ref int seed)
    {
        if (_isActive)
        {
            seed = _seed;
        }
    }
}
