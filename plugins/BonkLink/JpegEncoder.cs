// Baseline JPEG (ITU-T T.81) of RGB or RGBA rows, 4:4:4, with the standard's own tables: managed code, because the
// engine's encoder crashes under Wine. Rows are taken top-down. No Unity, no shared state between instances.
using System;

namespace BonkLink;

public sealed class JpegEncoder
{
    private static readonly byte[] ZigZag =
    {
        0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14,
        21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60,
        61, 54, 47, 55, 62, 63,
    };

    private static readonly byte[] LumaQuant =
    {
        16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29,
        51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121,
        120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
    };

    private static readonly byte[] ChromaQuant =
    {
        17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99,
        99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
        99, 99, 99, 99, 99, 99, 99, 99,
    };

    private static readonly byte[] DcLumaCounts = { 0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0 };
    private static readonly byte[] DcChromaCounts = { 0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0 };
    private static readonly byte[] DcValues = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 };
    private static readonly byte[] AcLumaCounts = { 0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7D };
    private static readonly byte[] AcChromaCounts = { 0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77 };

    private static readonly byte[] AcLumaValues = Convert.FromHexString(
        "01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728" +
        "292a3435363738" +
        "393a434445464748494a535455565758595a636465666768696a737475767778797a838485868788898a929394959697" +
        "98999aa2a3a4a5" +
        "a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa");

    private static readonly byte[] AcChromaValues = Convert.FromHexString(
        "000102031104052131061241510761711322328108144291a1b1c109233352f0156272d10a162434e125f11718191a26" +
        "2728292a35363738" +
        "393a434445464748494a535455565758595a636465666768696a737475767778797a82838485868788898a9293949596" +
        "9798999aa2a3a4" +
        "a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa");

    private static readonly float[] Cosines = MakeCosines();
    private readonly byte[][] _quant;
    private readonly float[][] _scale;
    private readonly (ushort Code, byte Size)[] _dcLuma, _dcChroma, _acLuma, _acChroma;
    private readonly float[] _block = new float[64], _half = new float[64];
    private readonly int[] _coefficients = new int[64];
    private uint _bits;
    private int _bitCount;

    public JpegEncoder(int quality)
    {
        quality = Math.Clamp(quality, 1, 100);
        var percent = quality < 50 ? 5000 / quality : 200 - quality * 2;
        _quant = new[] { Scaled(LumaQuant, percent), Scaled(ChromaQuant, percent) };
        _scale = new[] { Array.ConvertAll(_quant[0], q => 1f / q), Array.ConvertAll(_quant[1], q => 1f / q) };
        _dcLuma = Codes(DcLumaCounts, DcValues);
        _dcChroma = Codes(DcChromaCounts, DcValues);
        _acLuma = Codes(AcLumaCounts, AcLumaValues);
        _acChroma = Codes(AcChromaCounts, AcChromaValues);
    }

    /// <summary>Append the picture to `to`; `rows` are top-down, `channels` is 3 or 4.</summary>
    public void Encode(ByteBuffer to, byte[] rows, int width, int height, int channels)
    {
        WriteHead(to, width, height);
        _bits = 0;
        _bitCount = 0;
        int luma = 0, blue = 0, red = 0;
        for (var y = 0; y < height; y += 8)
        {
            for (var x = 0; x < width; x += 8)
            {
                Load(rows, width, height, channels, x, y, 0.299f, 0.587f, 0.114f, -128f);
                luma = Block(to, 0, _dcLuma, _acLuma, luma);
                Load(rows, width, height, channels, x, y, -0.168736f, -0.331264f, 0.5f, 0f);
                blue = Block(to, 1, _dcChroma, _acChroma, blue);
                Load(rows, width, height, channels, x, y, 0.5f, -0.418688f, -0.081312f, 0f);
                red = Block(to, 1, _dcChroma, _acChroma, red);
            }
        }
        Bits(to, 0x7F, 7);
        to.U8(0xFF);
        to.U8(0xD9);
    }

    private void Load(byte[] rows, int w, int h, int channels, int x0, int y0, float r, float g, float b, float shift)
    {
        for (var y = 0; y < 8; y++)
        {
            var row = Math.Min(y0 + y, h - 1) * w;
            for (var x = 0; x < 8; x++)
            {
                var at = (row + Math.Min(x0 + x, w - 1)) * channels;
                _block[y * 8 + x] = r * rows[at] + g * rows[at + 1] + b * rows[at + 2] + shift;
            }
        }
    }

    private int Block(ByteBuffer to, int table, (ushort, byte)[] dc, (ushort, byte)[] ac, int before)
    {
        Transform();
        var scale = _scale[table];
        for (var i = 0; i < 64; i++)
        {
            var value = _block[ZigZag[i]] * scale[ZigZag[i]];
            _coefficients[i] = (int)MathF.Round(value);
        }
        var difference = _coefficients[0] - before;
        var size = Size(difference);
        Code(to, dc[size]);
        Bits(to, difference < 0 ? difference - 1 : difference, size);
        var zeros = 0;
        for (var i = 1; i < 64; i++)
        {
            var value = _coefficients[i];
            if (value == 0)
            {
                zeros++;
                continue;
            }
            for (; zeros >= 16; zeros -= 16)
            {
                Code(to, ac[0xF0]);
            }
            size = Size(value);
            Code(to, ac[zeros << 4 | size]);
            Bits(to, value < 0 ? value - 1 : value, size);
            zeros = 0;
        }
        if (zeros > 0)
        {
            Code(to, ac[0]);
        }
        return _coefficients[0];
    }

    /// <summary>The two-dimensional DCT-II of the block, rows first.</summary>
    private void Transform()
    {
        for (var y = 0; y < 8; y++)
        {
            for (var u = 0; u < 8; u++)
            {
                var sum = 0f;
                for (var x = 0; x < 8; x++)
                {
                    sum += _block[y * 8 + x] * Cosines[u * 8 + x];
                }
                _half[y * 8 + u] = sum;
            }
        }
        for (var v = 0; v < 8; v++)
        {
            for (var u = 0; u < 8; u++)
            {
                var sum = 0f;
                for (var y = 0; y < 8; y++)
                {
                    sum += _half[y * 8 + u] * Cosines[v * 8 + y];
                }
                _block[v * 8 + u] = sum;
            }
        }
    }

    private static float[] MakeCosines()
    {
        var table = new float[64];
        for (var u = 0; u < 8; u++)
        {
            for (var x = 0; x < 8; x++)
            {
                var norm = u == 0 ? Math.Sqrt(0.125) : 0.5;
                table[u * 8 + x] = (float)(norm * Math.Cos((2 * x + 1) * u * Math.PI / 16));
            }
        }
        return table;
    }

    private static int Size(int value)
    {
        value = Math.Abs(value);
        var size = 0;
        for (; value > 0; value >>= 1)
        {
            size++;
        }
        return size;
    }

    private void Code(ByteBuffer to, (ushort Code, byte Size) code) => Bits(to, code.Code, code.Size);

    private void Bits(ByteBuffer to, int value, int size)
    {
        _bits = _bits << size | (uint)(value & (1 << size) - 1);
        _bitCount += size;
        while (_bitCount >= 8)
        {
            var next = (byte)(_bits >> _bitCount - 8);
            _bitCount -= 8;
            to.U8(next);
            if (next == 0xFF)
            {
                to.U8(0);
            }
        }
    }

    private void WriteHead(ByteBuffer to, int width, int height)
    {
        to.Raw(Convert.FromHexString("FFD8FFE000104A46494600010100000100010000"));
        for (byte i = 0; i < 2; i++)
        {
            to.Raw(new byte[] { 0xFF, 0xDB, 0, 67, i });
            foreach (var at in ZigZag)
            {
                to.U8(_quant[i][at]);
            }
        }
        to.Raw(new byte[] { 0xFF, 0xC0, 0, 17, 8, (byte)(height >> 8), (byte)height });
        to.Raw(new byte[] { (byte)(width >> 8), (byte)width, 3 });
        to.Raw(new byte[] { 1, 0x11, 0, 2, 0x11, 1, 3, 0x11, 1 });
        WriteCodes(to, 0x00, DcLumaCounts, DcValues);
        WriteCodes(to, 0x10, AcLumaCounts, AcLumaValues);
        WriteCodes(to, 0x01, DcChromaCounts, DcValues);
        WriteCodes(to, 0x11, AcChromaCounts, AcChromaValues);
        to.Raw(new byte[] { 0xFF, 0xDA, 0, 12, 3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0 });
    }

    private static void WriteCodes(ByteBuffer to, byte id, byte[] counts, byte[] values)
    {
        to.Raw(new byte[] { 0xFF, 0xC4, 0, (byte)(19 + values.Length), id });
        to.Raw(counts);
        to.Raw(values);
    }

    private static (ushort, byte)[] Codes(byte[] counts, byte[] values)
    {
        var codes = new (ushort, byte)[256];
        int code = 0, at = 0;
        for (var size = 1; size <= 16; size++, code <<= 1)
        {
            for (var i = 0; i < counts[size - 1]; i++)
            {
                codes[values[at++]] = ((ushort)code++, (byte)size);
            }
        }
        return codes;
    }

    private static byte[] Scaled(byte[] table, int percent) =>
        Array.ConvertAll(table, q => (byte)Math.Clamp((q * percent + 50) / 100, 1, 255));
}
