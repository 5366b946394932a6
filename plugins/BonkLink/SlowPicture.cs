// A picture by ReadPixels, which holds up the frame until the GPU is done. Main thread only.
using System;
using UnityEngine;

namespace BonkLink;

public sealed class SlowPicture
{
    private Texture2D? _texture;
    private byte[] _bytes = Array.Empty<byte>();

    /// <summary>The screen as it is now, RGBA, bottom-up; valid until the next call.</summary>
    public ReadOnlySpan<byte> Take(int width, int height)
    {
        // Only one overload has two parameters, so it cannot be mistaken for another.
        _texture ??= new Texture2D(width, height);
        var small = RenderTexture.GetTemporary(width, height);
        var before = RenderTexture.active;
        try
        {
            FrameCapture.Copy(small);
            RenderTexture.active = small;
            _texture.ReadPixels(new Rect(0, 0, width, height), 0, 0);
        }
        finally
        {
            RenderTexture.active = before;
            RenderTexture.ReleaseTemporary(small);
        }
        _bytes = _texture.GetRawTextureData();
        return _bytes;
    }
}
