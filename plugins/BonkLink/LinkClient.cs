// One client of LinkServer: a thread for each direction, one buffer, and what it has not been told yet.
using System;
using System.Threading;

namespace BonkLink;

/// <summary>What the packets that a client could not take would have said. Game's thread only.</summary>
public sealed class Unsaid
{
    /// <summary>The human's presses.</summary>
    public InputLatch Human { get; } = new();

    public float Reward { get; set; }

    public byte Ends { get; set; }

    /// <summary>The number of the newest picture that it was sent.</summary>
    public long Picture { get; set; } = -1;

    /// <summary>False until the first state was read for it: what was earned before is not its own.</summary>
    public bool IsBegun { get; set; }
}

/// <summary>One connection with a thread for each direction, and one buffer.</summary>
public sealed class LinkClient : IDisposable
{
    private readonly LinkServer _server;
    private readonly IConnection _connection;
    private readonly ByteBuffer _buffer = new();
    private readonly SemaphoreSlim _filled = new(0);
    private volatile bool _idle = true, _ended;

    public LinkClient(LinkServer server, IConnection connection, int number)
    {
        _server = server;
        _connection = connection;
        Number = number;
    }

    public int Number { get; }

    /// <summary>What packets that it did not take would have said; for the game's thread alone.</summary>
    public Unsaid Unsaid { get; } = new();

    /// <summary>The log says once that this client's actions do not count; for its reading thread alone.</summary>
    internal bool IsToldToWait { get; set; }

    public void Start()
    {
        Guarded.Start("BonkLink read", ReadAll);
        Guarded.Start("BonkLink write", WriteAll);
    }

    /// <summary>The buffer for the next packet, or null where the one before has not left.</summary>
    public ByteBuffer? Begin()
    {
        if (!_idle || _ended)
        {
            return null;
        }
        _buffer.Clear();
        return _buffer;
    }

    /// <summary>Send what was written into the buffer that Begin gave.</summary>
    public void End(ByteBuffer buffer)
    {
        if (ReferenceEquals(buffer, _buffer) && _idle)
        {
            _idle = false;
            _filled.Release();
        }
    }

    public void Dispose()
    {
        _ended = true;
        _filled.Release();
        _connection.Dispose();
    }

    private void ReadAll()
    {
        var decoder = new ActionDecoder(a => _server.Receive(this, a));
        var bytes = new byte[1 << 14];
        var reason = "it closed the connection";
        try
        {
            int count;
            while ((count = _connection.Read(bytes)) > 0)
            {
                if (!decoder.Feed(bytes.AsSpan(0, count)))
                {
                    reason = "it sent an action of impossible size";
                    break;
                }
            }
        }
        catch (Exception error)
        {
            reason = LinkServer.Reason(error);
        }
        _server.Count(decoder);
        _server.Retire(this, reason);
    }

    private void WriteAll()
    {
        try
        {
            while (true)
            {
                _filled.Wait();
                if (_ended)
                {
                    return;
                }
                _connection.Write(_buffer.Bytes, _buffer.Count);
                _idle = true;
            }
        }
        catch (Exception error)
        {
            _server.Retire(this, LinkServer.Reason(error));
        }
    }
}
