// Writes JSON, enough for the dump of a game's tables. No Unity; numbers are written so that they read back the same.
using System.Globalization;
using System.Text;

namespace BonkLink;

public sealed class JsonText
{
    private readonly StringBuilder _text = new();
    private bool _first = true;

    public JsonText Open(char bracket)
    {
        Separate();
        _text.Append(bracket);
        _first = true;
        return this;
    }

    public JsonText Close(char bracket)
    {
        _text.Append(bracket);
        _first = false;
        return this;
    }

    public JsonText Key(string name)
    {
        Separate();
        Quote(name);
        _text.Append(':');
        _first = true;
        return this;
    }

    public JsonText Value(string text)
    {
        Separate();
        Quote(text);
        return this;
    }

    public JsonText Value(double number)
    {
        Separate();
        _text.Append(double.IsFinite(number) ? number.ToString("R", CultureInfo.InvariantCulture) : "null");
        return this;
    }

    public JsonText Value(float number)
    {
        Separate();
        _text.Append(float.IsFinite(number) ? number.ToString("R", CultureInfo.InvariantCulture) : "null");
        return this;
    }

    public JsonText Value(int number) => Value((double)number);

    public JsonText Value(bool flag)
    {
        Separate();
        _text.Append(flag ? "true" : "false");
        return this;
    }

    public override string ToString() => _text.ToString();

    private void Separate()
    {
        if (!_first)
        {
            _text.Append(',');
        }
        _first = false;
    }

    private void Quote(string text)
    {
        _text.Append('"');
        foreach (var c in text)
        {
            switch (c)
            {
                case '"' or '\\':
                    _text.Append('\\').Append(c);
                    break;
                case < ' ':
                    _text.Append("\\u").Append(((int)c).ToString("x4", CultureInfo.InvariantCulture));
                    break;
                default:
                    _text.Append(c);
                    break;
            }
        }
        _text.Append('"');
    }
}
