// Runs of the fake game: each loads a map with a seed of its own, and it is counted whose seed the map got.
using System.Text.Json.Nodes;
using Assets.Scripts.Managers;
using Assets.Scripts.Utility;
using UnityEngine;

namespace FakeGame;

public sealed class FakeRuns
{
    private static readonly Il2CppSystem.Random Own = new(4321);
    private double _fadeS, _dueS = double.NaN;
    private int _ownSeed = 100_000, _begun, _foreign, _inits, _lost;

    public FakeRuns()
    {
        Utility.MyRandom.random = Own;
        MapController.Loads = () =>
        {
            if (_lost > 0)
            {
                _lost--;
                return;
            }
            if (_fadeS > 0)
            {
                _dueS = _fadeS;
                return;
            }
            Load();
        };
    }

    /// <summary>The player begins runs by hand.</summary>
    public static void Begin(int runs)
    {
        for (var i = 0; i < runs; i++)
        {
            MapController.RestartRun();
        }
    }

    /// <summary>From now on the old run goes on for so long after a new one was asked for.</summary>
    public void Fade(double seconds) => _fadeS = seconds;

    /// <summary>So many wishes for a new run come to nothing, as in a game that is not ready.</summary>
    public void Lose(int wishes) => _lost = wishes;

    /// <summary>Time passes in the run that is shown.</summary>
    public void Pass(double seconds)
    {
        MyTime.runTimer += (float)(seconds * Time.timeScale);
        _dueS -= seconds;
        if (_dueS <= 0)
        {
            _dueS = double.NaN;
            Load();
        }
    }

    public void Report(JsonObject report)
    {
        report["runs_begun"] = _begun;
        report["runs_of_another_seed"] = _foreign;
        report["own_generator"] = ReferenceEquals(Utility.MyRandom.random, Own);
        report["fixed_delta_s"] = Time.fixedDeltaTime;
        report["vsyncs"] = QualitySettings.vSyncCount;
        report["frame_rate"] = Application.targetFrameRate;
        report["engine_seedings"] = Random.Seedings;
    }

    private void Load()
    {
        var own = ++_ownSeed;
        _begun++;
        MyTime.runTimer = 0;
        MapController.IsMainMenuIs = false;
        MapGenerationController.mapSeed = own;
        var controller = new MapGenerationController();
        controller.Awake();
        var map = new MapGenerator();
        map.GenerateMap(own);
        var seeded = controller.testSeed != 0 || MapGenerationController.mapSeed != own || map.Generated != own
            || !ReferenceEquals(Utility.MyRandom.random, Own) || Random.Seedings != _inits;
        _inits = Random.Seedings;
        _foreign += seeded ? 1 : 0;
    }
}
