// Pixels to the bytes of a frame, on a thread of its own: upright, as JPEG or raw rows. Newest wins; no Unity.
using System;
using System.Threading;

namespace BonkLink;

public enum FrameFormat
{
    Jpeg,
    RawRgb,
}

/// <summary>
/// One picture at a time: Submit copies the pixels and returns at once, or refuses while the one before is in work;
/// the finished frame waits in Current until Taken.
/// </summary>
public sealed class FrameEncoder : IDisposable
{
    private FrameFormat _format;
    private int _quality, _jpegQuality;
    private JpegEncoder _jpeg;
    private bool _isJpeg;
    private readonly SemaphoreSlim _work = new(0);
    private readonly ByteBuffer _frame = new();
    private byte[] _rows = Array.Empty<byte>();
    private int _width, _height, _channels;
    private double _capturedS;
    private volatile int _stage;
    private volatile bool _stopping;
    private const int Free = 0, Encoding = 1, Ready = 2;

    public FrameEncoder(FrameFormat format, int quality)
    {
        (_format, _quality, _jpegQuality) = (format, quality, quality);
        _jpeg = new JpegEncoder(quality);
        Guarded.Start("BonkLink frames", Work);
    }

    /// <summary>Pictures refused because the one before was not done or not taken yet.</summary>
    public int Refused { get; private set; }

    /// <summary>How the game takes its pictures, as the wire says it.</summary>
    public PictureSource Source { get; set; }

    public bool IsFree => _stage == Free;

    /// <summary>Format and quality from the next picture on; of the thread that submits.</summary>
    public void Use(FrameFormat format, int quality) => (_format, _quality) = (format, quality);

    /// <summary>
    /// Take a copy of a picture; `bottomUp` says that its first row is the lowest, `capturedS` when its capture began.
    /// </summary>
    public bool Submit(
        ReadOnlySpan<byte> pixels, int width, int height, int channels, bool bottomUp, double capturedS = 0)
    {
        var size = width * height * channels;
        if (_stage != Free || size == 0 || pixels.Length < size)
        {
            Refused++;
            return false;
        }
        if (_rows.Length < size)
        {
            _rows = new byte[size];
        }
        var stride = width * channels;
        for (var y = 0; y < height; y++)
        {
            var from = bottomUp ? height - 1 - y : y;
            pixels.Slice(from * stride, stride).CopyTo(_rows.AsSpan(y * stride));
        }
        (_width, _height, _channels, _capturedS) = (width, height, channels, capturedS);
        _isJpeg = _format == FrameFormat.Jpeg;
        if (_isJpeg && _jpegQuality != _quality)
        {
            (_jpeg, _jpegQuality) = (new JpegEncoder(_quality), _quality);
        }
        _stage = Encoding;
        _work.Release();
        return true;
    }

    /// <summary>The finished frame, empty where there is none; valid until Taken.</summary>
    public ReadOnlySpan<byte> Current =>
        _stage == Ready ? _frame.Bytes.AsSpan(0, _frame.Count) : ReadOnlySpan<byte>.Empty;

    /// <summary>When the capture of the current frame began, on the submitter's clock; 0 where unknown.</summary>
    public double CapturedS => _capturedS;

    public (int Width, int Height) Size => (_width, _height);

    /// <summary>The finished frame was used; the next picture may come.</summary>
    public void Taken() => _stage = Free;

    public void Dispose()
    {
        _stopping = true;
        _work.Release();
    }

    private void Work()
    {
        while (true)
        {
            _work.Wait();
            if (_stopping)
            {
                return;
            }
            try
            {
                Encode();
                _stage = Ready;
            }
            catch (Exception error)
            {
                Guarded.Once("encoder", $"frames: {error.GetType().Name}: {error.Message}; that picture is left out");
                _stage = Free;
            }
        }
    }

    private void Encode()
    {
        _frame.Clear();
        if (_isJpeg)
        {
            _jpeg.Encode(_frame, _rows, _width, _height, _channels);
        }
        else
        {
            var size = _width * _height * _channels;
            Wire.WriteRawHead(_frame.Take(Wire.RawHeadBytes), _width, _height, _channels);
            _frame.Raw(_rows.AsSpan(0, size));
        }
    }
}
