// Lock-step in the real game: one frame is one fixed step, nothing moves between two steps. Main thread only.
// A frame that waits for its client gives way every 50 ms, so that the window stays alive; Stepper says for how long.
using System;
using System.Diagnostics;
using System.Threading;
using Assets.Scripts.Managers;
using BonkLink;
using UnityEngine;

namespace ResearchPlugin;

public sealed class ResearchGame : IDisposable
{
    public const float StepS = 1f / 50;
    private const double PatienceOfAFrameS = 0.05;
    private readonly ResearchSettings _settings;
    private readonly Action<string> _log;
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly SharedFrame _frame;
    private readonly Stepper _stepper;
    private readonly GameScreens _screens = new();
    private readonly GameMenu _menu;
    private readonly MenuDriver _menus = new();
    private readonly InputInjector _injector = new();
    private readonly Patches _patches = new(Plugin.Id);
    private readonly UploadGuard _uploads;
    private readonly Seeding _seeding;
    private readonly LockStepTime _time = new(StepS);
    private readonly GameCounters _counters = new();
    private readonly Observation _observation;
    private AgentAction _before;
    private bool _stepping, _restarting, _isDisposed;
    private readonly NewRun _newRun = new();

    public ResearchGame(ResearchSettings settings, Action<string> log)
    {
        (_settings, _log) = (settings, log);
        _menu = new GameMenu(_screens);
        _frame = new SharedFrame(settings.Instance, settings.Width, settings.Height, settings.Folder);
        _stepper = new Stepper(_frame, settings.Rewards, () => _clock.Elapsed.TotalSeconds, log);
        _uploads = new UploadGuard(Plugin.Id, BepInEx.Paths.ConfigPath, log);
        _seeding = new Seeding(settings.Seed);
        _observation = new Observation(settings.Width, settings.Height,
            new PictureLadder(BepInEx.Paths.ConfigPath, Plugin.Id, log));
    }

    public void Start()
    {
        Application.runInBackground = true;
        _injector.Plan(_patches);
        GameMenu.Plan(_patches);
        _uploads.Plan(_patches);
        Seeding.Plan(_patches);
        var made = _patches.Make();
        Seeding.CountsMaps = _patches.Has("MapGenerationController", "Awake");
        _log($"{made} methods patched; runs are the game's own until a client steps");
    }

    /// <summary>The frame is drawn: finish the step that it was, and find out what the next one is.</summary>
    public void EndOfFrame() => Guarded.Run("lock-step", () =>
    {
        if (_isDisposed)
        {
            return;
        }
        _screens.Refresh();
        var steps = _stepper.Status == GameStatus.LockStep;
        TryPictures(steps);
        _seeding.Follow(steps && _settings.IsDeterministic);
        _uploads.Hold(steps || (Seeding.IsSeeded && !MapController.IsMainMenu()));
        if (_restarting && !_newRun.IsReady(_screens, _clock.Elapsed.TotalSeconds))
        {
            GoOnWaiting();
            return;
        }
        if (_stepping || _restarting)
        {
            _stepping = _restarting = false;
            _stepper.Complete(_observation.Take(), _counters.Read());
        }
        Next();
    });

    /// <summary>
    /// The game ends, or the plugin is unloaded. The game calls it at its end and may draw frames after it.
    /// </summary>
    public void Dispose()
    {
        if (_isDisposed)
        {
            return;
        }
        _isDisposed = true;
        // At the end of the game its objects may be gone already; the map is closed all the same.
        Guarded.Run("end", RunFreely);
        Guarded.Run("end of uploads", _uploads.Release);
        Guarded.Run("end of patches", _patches.Undo);
        _frame.Dispose();
    }

    /// <summary>Find a way of taking pictures as soon as that costs no human's run.</summary>
    private void TryPictures(bool steps)
    {
        if (_observation.Source == PictureSource.Unknown && _screens.MayEnd(steps))
        {
            _observation.Try();
            _frame.Pictures = (int)_observation.Source;
        }
    }

    /// <summary>The new run is not there yet: its client and the time that it may take decide.</summary>
    private void GoOnWaiting()
    {
        var isLate = _newRun.IsLate(_clock.Elapsed.TotalSeconds);
        if (isLate)
        {
            _stepper.GiveUp($"no new run within {NewRun.PatienceS:0} s; the game runs on by itself");
        }
        if (isLate || _stepper.HasLeft())
        {
            _restarting = false;
            RunFreely();
        }
    }

    private void Next()
    {
        var until = _clock.Elapsed.TotalSeconds + PatienceOfAFrameS;
        var order = _stepper.Poll(out var action);
        var spins = default(SpinWait);
        while (order == Order.Wait && _clock.Elapsed.TotalSeconds < until)
        {
            spins.SpinOnce();
            order = _stepper.Poll(out action);
        }
        switch (order)
        {
            case Order.Step:
                Advance(action);
                break;
            case Order.Restart:
                Restart();
                break;
            case Order.Wait:
                _time.Stand();
                break;
            default:
                RunFreely();
                break;
        }
    }

    private void Advance(in ResearchAction research)
    {
        var action = new AgentAction
        {
            MoveX = research.MoveX,
            MoveY = research.MoveY,
            Fire = research.Fire || (research.Submit && _screens.Menu != MenuNames.Play),
            Ability = research.Ability,
            Interact = research.Interact,
        };
        _time.Step();
        _stepping = true;
        _injector.IsDriven = true;
        _injector.Act(_screens.Menu == MenuNames.Play ? PlayControls.From(action, _before, StepS) : default);
        _menus.Apply(_menu, action, 1, 1, Screen.width, Screen.height, _clock.Elapsed.TotalSeconds);
        _before = action;
    }

    private void Restart()
    {
        _time.Step();
        _restarting = true;
        _before = default;
        _counters.Begin();
        _seeding.Follow(_settings.IsDeterministic);
        _seeding.Begin();
        _injector.Act(default);
        _newRun.Ask(_clock.Elapsed.TotalSeconds);
    }

    private void RunFreely()
    {
        _injector.IsDriven = false;
        _injector.Rest();
        _seeding.Follow(false);
        _time.Release();
    }
}
