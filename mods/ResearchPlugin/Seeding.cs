// The game's own seeding points, given our seed: the engine's generator, the map's seeds, and the game's own generator.
// Physics and frame-dependent code are not seeded by anything; this makes the map the same, not every bit.
using System;
using HarmonyLib;
using Assets.Scripts.Managers;

namespace ResearchPlugin;

public sealed class Seeding
{
    private static int _seed;
    private readonly Harmony _harmony = new(Plugin.Id + ".seed");

    public Seeding(int seed)
    {
        _seed = seed;
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

    public void Unpatch() => _harmony.UnpatchSelf();

    /// <summary>Seed what is seeded before a run starts.</summary>
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

    private static void BeforeStart()
    {
        UnityEngine.Random.InitState(_seed);
        BonkLink.Guarded.Run("seeding", () => Utility.MyRandom.random = new Il2CppSystem.Random(_seed));
    }

    private static void AfterAwake(MapGenerationController __instance)
    {
        __instance.testSeed = _seed;
        MapGenerationController.mapSeed = _seed;
    }

    private static void BeforeMap(ref int seed) => seed = _seed;
}
