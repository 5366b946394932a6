// Which way of taking pictures this game bears: each is tried once where no human's run is lost, best first. A marker
// file is there while a way is tried, so one that ends the game is left out at the next start.
using System;
using System.IO;

namespace BonkLink;

public enum PictureSource : byte
{
    Unknown = 0,
    GpuReadback = 1,
    ReadPixels = 2,
    None = 3,
}

public sealed class PictureLadder
{
    private readonly string _stem;
    private readonly Action<string> _log;
    private PictureSource _tried = PictureSource.GpuReadback;

    public PictureLadder(string folder, string id, Action<string> log)
    {
        (_stem, _log) = (Path.Combine(folder, id + ".picture-probe-"), log);
    }

    /// <summary>The way that is used; Unknown until one was tried with success or none is left.</summary>
    public PictureSource Source { get; private set; }

    public bool IsKnown => Source != PictureSource.Unknown;

    /// <summary>The next way to try, its marker written; None where no way is left.</summary>
    public PictureSource Begin()
    {
        for (; _tried < PictureSource.None; _tried++)
        {
            var marker = _stem + NameOf(_tried);
            if (!File.Exists(marker))
            {
                Mark(marker);
                return _tried;
            }
            _log($"pictures: {NameOf(_tried)} is left out, the game ended while it was tried; "
                + $"delete {marker} to try again");
        }
        Choose(PictureSource.None);
        return PictureSource.None;
    }

    public void Succeed()
    {
        File.Delete(_stem + NameOf(_tried));
        Choose(_tried);
    }

    public void Fail(string reason)
    {
        File.Delete(_stem + NameOf(_tried));
        _log($"pictures: {NameOf(_tried)} does not work here: {reason}");
        _tried++;
    }

    public static string NameOf(PictureSource source) => source switch
    {
        PictureSource.GpuReadback => "gpu-readback",
        PictureSource.ReadPixels => "read-pixels",
        _ => "none",
    };

    private static void Mark(string marker)
    {
        try
        {
            File.WriteAllText(marker, "");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            Guarded.Once("marker",
                $"pictures: {marker} cannot be written ({error.Message}); a crash is not remembered");
        }
    }

    private void Choose(PictureSource source)
    {
        Source = source;
        _log($"pictures: {NameOf(source)}");
    }
}
