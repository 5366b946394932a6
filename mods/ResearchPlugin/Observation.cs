// The screen, small, as RGB rows from the top; waits for the GPU, which lock-step can afford. Which way of taking it
// this game bears is tried once.
using System;
using BonkLink;
using UnityEngine;
using UnityEngine.Rendering;

namespace ResearchPlugin;

public sealed class Observation
{
    private const int Channels = 4;
    private readonly int _width, _height;
    private readonly byte[] _rgb;
    private readonly SlowPicture _slow = new();
    private readonly PictureLadder _ladder;

    public Observation(int width, int height, PictureLadder ladder)
    {
        (_width, _height, _ladder) = (width, height, ladder);
        _rgb = new byte[width * height * 3];
    }

    public PictureSource Source => _ladder.Source;

    /// <summary>Try the ways, best first, until one is known; where a crash costs no human's run.</summary>
    public void Try()
    {
        while (!_ladder.IsKnown && _ladder.Begin() is var way && way != PictureSource.None)
        {
            try
            {
                if (Take(way))
                {
                    _ladder.Succeed();
                    continue;
                }
                _ladder.Fail("the readback failed");
            }
            catch (Exception error)
            {
                _ladder.Fail($"{error.GetType().Name}: {error.Message}");
            }
        }
    }

    /// <summary>
    /// The picture of the frame that was just drawn; the one before where the GPU gives none, and black where no way
    /// works here.
    /// </summary>
    public ReadOnlySpan<byte> Take()
    {
        if (!Take(_ladder.Source))
        {
            Guarded.Once("readback", "observation: the GPU's readback failed; the picture before is used");
        }
        return _rgb;
    }

    private bool Take(PictureSource source) => source switch
    {
        PictureSource.GpuReadback => Read(),
        PictureSource.ReadPixels => Turn(_slow.Take(_width, _height)),
        _ => true,
    };

    private bool Read()
    {
        var small = RenderTexture.GetTemporary(_width, _height);
        try
        {
            FrameCapture.Copy(small);
            var request = AsyncGPUReadback.Request(small, 0, TextureFormat.RGBA32);
            request.WaitForCompletion();
            return !request.hasError && Turn(FrameCapture.PixelsOf(request));
        }
        finally
        {
            RenderTexture.ReleaseTemporary(small);
        }
    }

    private bool Turn(ReadOnlySpan<byte> rgba)
    {
        if (rgba.Length < _width * _height * Channels)
        {
            return false;
        }
        for (var y = 0; y < _height; y++)
        {
            var row = rgba.Slice((_height - 1 - y) * _width * Channels, _width * Channels);
            var into = _rgb.AsSpan(y * _width * 3, _width * 3);
            for (var x = 0; x < _width; x++)
            {
                row.Slice(x * Channels, 3).CopyTo(into[(x * 3)..]);
            }
        }
        return true;
    }
}
