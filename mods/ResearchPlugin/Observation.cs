// The screen, small, as RGB rows from the top; waits for the GPU, which lock-step can afford.
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

    public Observation(int width, int height)
    {
        (_width, _height) = (width, height);
        _rgb = new byte[width * height * 3];
    }

    /// <summary>The picture of the frame that was just drawn; the one before where the GPU gives none.</summary>
    public ReadOnlySpan<byte> Take()
    {
        var small = RenderTexture.GetTemporary(_width, _height);
        try
        {
            FrameCapture.Copy(small);
            var request = AsyncGPUReadback.Request(small, 0, TextureFormat.RGBA32);
            request.WaitForCompletion();
            if (request.hasError)
            {
                Guarded.Once("readback", "observation: the GPU's readback failed; the picture before is used");
                return _rgb;
            }
            Turn(FrameCapture.PixelsOf(request));
            return _rgb;
        }
        finally
        {
            RenderTexture.ReleaseTemporary(small);
        }
    }

    private void Turn(ReadOnlySpan<byte> rgba)
    {
        for (var y = 0; y < _height; y++)
        {
            var row = rgba.Slice((_height - 1 - y) * _width * Channels, _width * Channels);
            var into = _rgb.AsSpan(y * _width * 3, _width * 3);
            for (var x = 0; x < _width; x++)
            {
                row.Slice(x * Channels, 3).CopyTo(into[(x * 3)..]);
            }
        }
    }
}
