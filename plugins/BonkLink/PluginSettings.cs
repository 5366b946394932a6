// The configuration file's keys. The file is looked at once a second, on a thread of its own: what may change in a run
// does, and what cannot is named in the log.
using System;
using System.Collections.Generic;
using System.IO;
using System.Threading;
using BepInEx.Configuration;

namespace BonkLink;

/// <summary>What counts until the game starts again: clients know the address, and clicks are in the size.</summary>
public sealed record FixedSettings(int Port, bool UsesPipe, string PipeName, int Width, int Height);

/// <summary>What counts from the next frame of the game on.</summary>
public sealed record LiveSettings(
    double UpdateHz, bool SendsFrames, double FrameHz, int Quality, bool SendsHuman, FrameFormat Format);

public sealed class PluginSettings : IDisposable
{
    private const int LeastSide = 64, MostSide = 4096, LookEveryMs = 1000;
    private readonly ConfigFile _file;
    private readonly Action<string> _log;
    private readonly ManualResetEventSlim _ends = new();
    private readonly List<Key> _keys = new();
    private readonly Func<FixedSettings> _readFixed;
    private readonly Func<LiveSettings> _readLive;
    private volatile LiveSettings _live;
    private (DateTime, long) _seen;

    public PluginSettings(ConfigFile file, Action<string> log)
    {
        (_file, _log) = (file, log);
        var port = Bind(false, "Network", "Port", 5555, "TCP port on 127.0.0.1.");
        var usesPipe = Bind(false, "Network", "UseNamedPipe", false, "Serve a named pipe instead of TCP.");
        var pipe = Bind(false, "Network", "PipeName", "BonkLink", @"The pipe's name, without \\.\pipe\.");
        var updateHz = Bind(true, "Performance", "UpdateHz", 60, "States a second.");
        var sendsFrames = Bind(true, "Capture", "EnableJpeg", true, "Send pictures, in the format below.");
        var frameHz = Bind(true, "Capture", "JpegHz", 10, "Pictures a second.");
        var width = Bind(false, "Capture", "JpegWidth", 320, "Width of the pictures.");
        var height = Bind(false, "Capture", "JpegHeight", 180, "Height of the pictures.");
        var quality = Bind(true, "Capture", "JpegQuality", 75, "Quality of JPEG pictures.");
        var sendsHuman = Bind(true, "Capture", "EnableInputSnapshot", true,
            "Send what the human presses; without it nobody takes over from an agent.");
        var usual = IsWine ? "raw_rgb" : "jpeg";
        var format = Bind(true, "Capture", "FrameFormat", usual, "jpeg or raw_rgb.");
        _readFixed = () => new FixedSettings(
            Within(port, 1, 65535), usesPipe.Value, pipe.Value, Within(width, LeastSide, MostSide),
            Within(height, LeastSide, MostSide));
        _readLive = () => new LiveSettings(
            Within(updateHz, 1, 1000), sendsFrames.Value, Within(frameHz, 1, 240), Within(quality, 1, 100),
            sendsHuman.Value, FormatOf(format.Value, usual));
        (AtStart, _live) = (_readFixed(), _readLive());
        _seen = Stamp();
    }

    private sealed record Key(string Name, bool IsLive, Func<string> Text);

    public FixedSettings AtStart { get; }

    /// <summary>The newest; another object where the file changed.</summary>
    public LiveSettings Live => _live;

    /// <summary>True under Wine or Proton.</summary>
    public static bool IsWine => HasVariable("WINEPREFIX") || HasVariable("WINELOADER");

    /// <summary>Follow the file from now on.</summary>
    public void Follow() => Guarded.Start("BonkLink settings", () =>
    {
        while (!_ends.Wait(LookEveryMs))
        {
            if (Stamp() is var stamp && stamp != _seen && Reload())
            {
                _seen = stamp;
            }
        }
    });

    public void Dispose() => _ends.Set();

    private static bool HasVariable(string name) =>
        !string.IsNullOrEmpty(Environment.GetEnvironmentVariable(name));

    /// <summary>Time and size of the file; those before where it is not there now, as under an editor.</summary>
    private (DateTime, long) Stamp()
    {
        var file = new FileInfo(_file.ConfigFilePath);
        return file.Exists ? (file.LastWriteTimeUtc, file.Length) : _seen;
    }

    /// <summary>False where the file cannot be read now; it is tried again.</summary>
    private bool Reload()
    {
        var before = _keys.ConvertAll(key => key.Text());
        var saves = _file.SaveOnConfigSet;
        // What the user writes is not written over, key by key, while it is read.
        _file.SaveOnConfigSet = false;
        try
        {
            _file.Reload();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            Guarded.Once("settings", $"settings: {_file.ConfigFilePath} cannot be read now ({error.Message})");
            return false;
        }
        finally
        {
            _file.SaveOnConfigSet = saves;
        }
        var isChanged = false;
        for (var i = 0; i < _keys.Count; i++)
        {
            if (_keys[i].Text() is var now && now != before[i])
            {
                isChanged = true;
                _log(_keys[i].IsLive
                    ? $"settings: {_keys[i].Name} is {now} from now on; it was {before[i]}"
                    : $"settings: {_keys[i].Name} = {now} counts when the game is started again");
            }
        }
        if (isChanged)
        {
            // The other ones are read for what is out of range, which is said.
            _readFixed();
            _live = _readLive();
        }
        return true;
    }

    private ConfigEntry<T> Bind<T>(bool isLive, string section, string key, T otherwise, string about)
    {
        var entry = _file.Bind(section, key, otherwise, about);
        _keys.Add(new Key($"{section}.{key}", isLive, () => $"{entry.Value}"));
        return entry;
    }

    private static int Within(ConfigEntry<int> entry, int least, int most)
    {
        var used = Math.Clamp(entry.Value, least, most);
        if (used != entry.Value)
        {
            var said = $"{entry.Definition.Section}.{entry.Definition.Key} = {entry.Value}";
            Guarded.Once(said, $"settings: {said} is not in {least} to {most}; using {used}");
        }
        return used;
    }

    private static FrameFormat FormatOf(string format, string usual)
    {
        if (format is not ("jpeg" or "raw_rgb"))
        {
            var said = $"Capture.FrameFormat = {format}";
            Guarded.Once(said, $"settings: {said} is not a format (jpeg, raw_rgb); using {usual}");
            format = usual;
        }
        return format == "jpeg" ? FrameFormat.Jpeg : FrameFormat.RawRgb;
    }
}
