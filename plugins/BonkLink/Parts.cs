// The plugin's parts, wired; one frame of the game goes through Frame. Main thread only, but for the server's own.
using System;
using System.Diagnostics;
using UnityEngine;

namespace BonkLink;

public sealed class Parts : IGame, IDisposable
{
    private readonly PluginSettings _settings;
    private readonly FixedSettings _fixed;
    private readonly PumpOptions _options = new();
    private LiveSettings? _live;
    private readonly Action<string> _log;
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly Hands _hands = new();
    private readonly InputLatch _human = new();
    private readonly MenuDriver _driver = new();
    private readonly GameScreens _screens = new();
    private readonly GameMenu _menu;
    private readonly GameReader _reader;
    private readonly InputInjector _injector = new();
    private readonly Patches _patches = new(Plugin.Id);
    private readonly InputSnapshot _snapshot = new();
    private readonly FrameEncoder _frames;
    private readonly FrameCapture _capture;
    private readonly LinkServer _server;
    private readonly LinkPump _pump;
    private readonly UploadGuard _uploads;
    private readonly GameDataDump _dump;
    private AgentAction _before;

    public Parts(PluginSettings settings, Action<string> log)
    {
        (_settings, _fixed, _log) = (settings, settings.AtStart, log);
        _menu = new GameMenu(_screens);
        _reader = new GameReader(_screens);
        _frames = new FrameEncoder(settings.Live.Format, settings.Live.Quality);
        _capture = new FrameCapture(_frames, _fixed.Width, _fixed.Height, () => _clock.Elapsed.TotalSeconds,
            new PictureLadder(BepInEx.Paths.ConfigPath, Plugin.Id, log));
        ITransport transport = _fixed.UsesPipe
            ? new PipeTransport(_fixed.PipeName)
            : new TcpTransport(_fixed.Port);
        _server = new LinkServer(transport, _hands, () => _clock.Elapsed.TotalSeconds, log);
        (_options.CaptureWidth, _options.CaptureHeight) = (_fixed.Width, _fixed.Height);
        _pump = new LinkPump(this, _server, _hands, _frames, _human, _options);
        FollowSettings();
        _uploads = new UploadGuard(Plugin.Id, BepInEx.Paths.ConfigPath, log);
        _dump = new GameDataDump(log);
    }

    public (int Width, int Height) ScreenSize => (Screen.width, Screen.height);

    /// <summary>Patch the game and listen; a taken port is said, and the game goes on without BonkLink.</summary>
    public void Start()
    {
        Application.runInBackground = true;
        _injector.Plan(_patches);
        GameMenu.Plan(_patches);
        _uploads.Plan(_patches);
        _log($"{_patches.Make()} methods patched; a human plays until a client sends an action");
        try
        {
            _server.Start();
            _settings.Follow();
        }
        catch (Exception error) when (error is System.Net.Sockets.SocketException or System.IO.IOException)
        {
            Guarded.Once("listen", $"BonkLink cannot listen: {error.Message}; another Network.Port helps");
        }
    }

    /// <summary>One frame of the game, from Update.</summary>
    public void Frame()
    {
        FollowSettings();
        Guarded.Run("input snapshot", SampleHuman);
        Guarded.Run("tick", () => _pump.Tick(_clock.Elapsed.TotalSeconds));
        Guarded.Run("upload guard", () => _uploads.Hold(_pump.IsDriven));
        Guarded.Run("data dump", _dump.Try);
    }

    /// <summary>One fixed step of the game, from FixedUpdate.</summary>
    public void FixedStep() => Guarded.Run("fixed step", _injector.FixedStep);

    /// <summary>After the game moved its camera, from LateUpdate.</summary>
    public void LateFrame() => Guarded.Run("look", _injector.Look);

    /// <summary>When the frame is drawn, from the end of the frame.</summary>
    public void EndOfFrame() => Guarded.Run("capture", () =>
    {
        // A picture that is on its way still gives its texture back.
        if (_options.FrameHz > 0 || _capture.IsWaiting)
        {
            _capture.EndOfFrame(_screens.MayEnd(_pump.IsDriven));
        }
    });

    public void Apply(in AgentAction action, float seconds, double nowS)
    {
        var before = _before;
        _before = action;
        _screens.Refresh();
        var isDriven = _pump.IsDriven;
        _injector.IsDriven = isDriven;
        if (!isDriven)
        {
            _injector.Rest();
            return;
        }
        if (_screens.Menu == MenuNames.Play)
        {
            _injector.Add(PlayControls.From(action, before, seconds));
        }
        else
        {
            _injector.Rest();
        }
        _driver.Apply(_menu, action, _fixed.Width, _fixed.Height, Screen.width, Screen.height, nowS);
    }

    public void Read(StateRecord state) => _reader.Read(state);

    public void RequestFrame() => _capture.Request();

    public void Dispose()
    {
        _settings.Dispose();
        _server.Dispose();
        _frames.Dispose();
        _uploads.Release();
        _patches.Undo();
    }

    /// <summary>What the file says now, where it changed.</summary>
    private void FollowSettings()
    {
        if (ReferenceEquals(_settings.Live, _live))
        {
            return;
        }
        _live = _settings.Live;
        (_options.UpdateHz, _options.FrameHz) = (_live.UpdateHz, _live.SendsFrames ? _live.FrameHz : 0);
        _options.SendsHuman = _live.SendsHuman;
        // Presses from before are not told when somebody asks for them again.
        _human.Take();
        _frames.Use(_live.Format, _live.Quality);
    }

    private void SampleHuman()
    {
        if (_options.SendsHuman)
        {
            InputInjector.ReadsHuman = true;
            try
            {
                _human.Sample(_snapshot.Sample());
            }
            finally
            {
                InputInjector.ReadsHuman = false;
            }
        }
    }
}
