// Pictures of the screen without holding up the frame: copy on the GPU, read back later, encode on another thread.
// The readback is asked each frame whether it is done: its data lives for that frame, and no delegate crosses into
// native code.
using System;
using UnityEngine;
using UnityEngine.Rendering;

namespace BonkLink;

public sealed class FrameCapture
{
    private const int Channels = 4;
    private const double SlowPeriodS = 0.1, ProbeS = 5;
    private readonly SlowPicture _slow = new();
    private readonly PictureLadder _ladder;
    private readonly FrameEncoder _encoder;
    private readonly int _width, _height;
    private readonly Func<double> _nowS;
    private RenderTexture? _small;
    private AsyncGPUReadbackRequest _request;
    private bool _wanted, _waiting;
    private double _capturedS, _untriedS = double.NaN;

    public FrameCapture(FrameEncoder encoder, int width, int height, Func<double> nowS, PictureLadder ladder)
    {
        (_encoder, _width, _height, _nowS, _ladder) = (encoder, width, height, nowS, ladder);
    }

    /// <summary>True while a picture is on its way and its texture is lent.</summary>
    public bool IsWaiting => _waiting;

    /// <summary>Take a picture at the end of this frame, unless one is still on its way.</summary>
    public void Request() => _wanted = !_waiting && (_ladder.Source == PictureSource.GpuReadback
        || _ladder.Source == PictureSource.ReadPixels && _nowS() >= _capturedS + SlowPeriodS);

    /// <summary>The frame is drawn; `mayTry` says that a game that ends now takes no human's run along.</summary>
    public void EndOfFrame(bool mayTry)
    {
        if (!_ladder.IsKnown)
        {
            SayUntried(mayTry);
            Probe(mayTry);
            _encoder.Source = _ladder.Source;
            return;
        }
        if (_waiting && _request.done)
        {
            Take();
            Rest();
        }
        if (!_wanted || _waiting)
        {
            return;
        }
        _wanted = false;
        _capturedS = _nowS();
        if (_ladder.Source == PictureSource.ReadPixels)
        {
            _encoder.Submit(_slow.Take(_width, _height), _width, _height, Channels, bottomUp: true, _capturedS);
            return;
        }
        Ask();
    }

    /// <summary>Try the ways one by one; a failure that throws nothing into native code leads to the next.</summary>
    private void Probe(bool mayTry)
    {
        try
        {
            if (_waiting)
            {
                Judge();
            }
            else if (mayTry && _ladder.Begin() is var way && way != PictureSource.None)
            {
                _capturedS = _nowS();
                if (way == PictureSource.GpuReadback)
                {
                    Ask();
                }
                else
                {
                    _slow.Take(_width, _height);
                    _ladder.Succeed();
                }
            }
        }
        catch (Exception error)
        {
            Rest();
            _ladder.Fail($"{error.GetType().Name}: {error.Message}");
        }
    }

    private void SayUntried(bool mayTry)
    {
        _untriedS = mayTry ? double.NaN : double.IsNaN(_untriedS) ? _nowS() : _untriedS;
        if (_nowS() - _untriedS > ProbeS)
        {
            Guarded.Once("untried", "pictures: none yet, no way was tried: that is done in the main menu, when a run "
                + "is over, or where an agent drives");
        }
    }

    private void Judge()
    {
        var isDone = _request.done;
        if (!isDone && _nowS() < _capturedS + ProbeS)
        {
            return;
        }
        var isWhole = isDone && !_request.hasError && PixelsOf(_request).Length >= _width * _height * Channels;
        Rest();
        if (isWhole)
        {
            _ladder.Succeed();
            return;
        }
        _ladder.Fail(isDone ? "the readback failed" : $"no picture within {ProbeS:0} s");
    }

    private void Ask()
    {
        _small ??= RenderTexture.GetTemporary(_width, _height);
        Copy(_small);
        _request = AsyncGPUReadback.Request(_small, 0, TextureFormat.RGBA32);
        _waiting = true;
    }

    /// <summary>Nothing is on its way any more: the engine gets its texture back.</summary>
    private void Rest()
    {
        _waiting = false;
        if (_small != null)
        {
            RenderTexture.ReleaseTemporary(_small);
            _small = null;
        }
    }

    /// <summary>
    /// The screen as it is now, small and the right way up. Textures are lent by the engine: GetTemporary has one
    /// overload of two parameters, a constructor may be missing.
    /// </summary>
    internal static void Copy(RenderTexture small)
    {
        var screen = RenderTexture.GetTemporary(Screen.width, Screen.height);
        try
        {
            ScreenCapture.CaptureScreenshotIntoRenderTexture(screen);
            if (SystemInfo.graphicsUVStartsAtTop)
            {
                // Such a screen is copied upside down; the second copy turns it.
                Graphics.Blit(screen, small, new Vector2(1, -1), new Vector2(0, 1));
            }
            else
            {
                Graphics.Blit(screen, small);
            }
        }
        finally
        {
            RenderTexture.ReleaseTemporary(screen);
        }
    }

    /// <summary>The bytes of a readback that is done; rows are bottom-up.</summary>
    internal static unsafe ReadOnlySpan<byte> PixelsOf(AsyncGPUReadbackRequest request) =>
        new((void*)request.GetDataRaw(0), request.layerDataSize);

    private void Take()
    {
        if (_request.hasError)
        {
            Guarded.Once("readback", "capture: the GPU's readback failed; that picture is left out");
            return;
        }
        _encoder.Submit(PixelsOf(_request), _width, _height, Channels, bottomUp: true, _capturedS);
    }
}
