// The configuration file's keys, read once at the start.
using System;
using BepInEx.Configuration;

namespace BonkLink;

public sealed class PluginSettings
{
    private const int LeastSide = 64, MostSide = 4096;

    public readonly int Port, Width, Height, Quality;
    public readonly bool UsesPipe, SendsFrames, SendsHuman;
    public readonly string PipeName;
    public readonly double UpdateHz, FrameHz;
    public readonly FrameFormat Format;

    public PluginSettings(ConfigFile file)
    {
        Port = Within(file.Bind("Network", "Port", 5555, "TCP port on 127.0.0.1.").Value, 1, 65535);
        UsesPipe = file.Bind("Network", "UseNamedPipe", false, "Serve a named pipe instead of TCP.").Value;
        PipeName = file.Bind("Network", "PipeName", "BonkLink", @"The pipe's name, without \\.\pipe\.").Value;
        UpdateHz = Within(file.Bind("Performance", "UpdateHz", 60, "States a second.").Value, 1, 1000);
        SendsFrames = file.Bind("Capture", "EnableJpeg", true, "Send pictures, in the format below.").Value;
        FrameHz = Within(file.Bind("Capture", "JpegHz", 10, "Pictures a second.").Value, 1, 240);
        Width = Within(file.Bind("Capture", "JpegWidth", 320, "Width of the pictures.").Value, LeastSide, MostSide);
        Height = Within(file.Bind("Capture", "JpegHeight", 180, "Height of the pictures.").Value, LeastSide, MostSide);
        Quality = Within(file.Bind("Capture", "JpegQuality", 75, "Quality of JPEG pictures.").Value, 1, 100);
        SendsHuman = file.Bind("Capture", "EnableInputSnapshot", true,
            "Send what the human presses; without it nobody takes over from an agent.").Value;
        var usual = IsWine ? "raw_rgb" : "jpeg";
        var format = file.Bind("Capture", "FrameFormat", usual, "jpeg or raw_rgb.").Value;
        Format = format switch
        {
            "jpeg" => FrameFormat.Jpeg,
            "raw_rgb" => FrameFormat.RawRgb,
            _ => Unknown(format, usual),
        };
    }

    /// <summary>True under Wine or Proton.</summary>
    public static bool IsWine => HasVariable("WINEPREFIX") || HasVariable("WINELOADER");

    private static bool HasVariable(string name) => !string.IsNullOrEmpty(Environment.GetEnvironmentVariable(name));

    private static int Within(int value, int least, int most) => Math.Clamp(value, least, most);

    private static FrameFormat Unknown(string format, string usual)
    {
        Guarded.Once("format", $"Capture.FrameFormat = {format} is not a format; using {usual}");
        return usual == "jpeg" ? FrameFormat.Jpeg : FrameFormat.RawRgb;
    }
}
