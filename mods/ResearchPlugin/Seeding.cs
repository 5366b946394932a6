// The game's own seeding points, given our seed while a client steps: the engine's generator, the map's seeds, and the
// game's own generator. A run without a client keeps the game's own seeds, and what was replaced is given back.
// Physics and frame-dependent code are not seeded by anything; this makes the map the same, not every bit.
using System;

namespace ResearchPlugin;

public sealed class Seeding
{
    private static int _seed;
    private static bool _isActive, _isSeeded, _hasGenerator;
    private static Il2CppSystem.Random? _generator;

    public Seeding(int seed)
    {
        _seed = seed;
    }

    /// <summary>Maps that the game began to make so far; counted where CountsMaps.</summary>
    public static long Maps { get; private set; }

    /// <summary>False where the game's method could not be patched.</summary>
    public static bool CountsMaps { get; set; }

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

    public static void Plan(BonkLink.Patches patches)
    {
        const string without = "runs differ there";
        var start = Own(nameof(BeforeStart));
        patches.Add("Assets.Scripts.Managers.MapController", "StartNewMap", start, null, without);
        patches.Add("Assets.Scripts.Managers.MapController", "RestartRun", start, null, without);
        patches.Add("MapGenerationController", "Awake", null, Own(nameof(AfterAwake)), without);
        // A version of the game with other parameters is left alone rather than given a wrong one.
        patches.Add("MapGenerator", "GenerateMap", Own(nameof(BeforeMap)), null, without,
            method => Array.Exists(method.GetParameters(), p => p.Name == "seed"));
    }

    /// <summary>Seed what is seeded before a run starts, while a client steps.</summary>
    public void Begin() => BeforeStart();

    private static System.Reflection.MethodInfo Own(string name) => BonkLink.Patches.Own(typeof(Seeding), name);

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
        Maps++;
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
