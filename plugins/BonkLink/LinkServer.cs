// Serves one client at a time: its actions go to Hands, packets come from the game's thread. Threads touch bytes only.
// A new client replaces the old one. Nothing here can hold up the game: a packet is handed over only when the one
// before has left, and a client that takes nothing is simply not ready.
using System;
using System.IO;
using System.Net.Sockets;
using System.Threading;

namespace BonkLink;

public sealed class LinkServer : IDisposable
{
    private readonly ITransport _transport;
    private readonly Hands _hands;
    private readonly Func<double> _nowS;
    private readonly Action<string> _log;
    private readonly object _lock = new();
    private Client? _client;
    private int _clients;
    private volatile bool _stopping;

    public LinkServer(ITransport transport, Hands hands, Func<double> nowS, Action<string> log)
    {
        _transport = transport;
        _hands = hands;
        _nowS = nowS;
        _log = log;
    }

    /// <summary>How many clients have come so far.</summary>
    public int Clients => Volatile.Read(ref _clients);

    public bool HasClient => Volatile.Read(ref _client) is not null;

    /// <summary>Actions, oversized and malformed ones, of all clients together.</summary>
    public (long Actions, long Oversized, long Malformed) Counts { get; private set; }

    public void Start()
    {
        _transport.Open();
        _log($"listening at {_transport.Name}");
        new Thread(AcceptAll) { IsBackground = true, Name = "BonkLink accept" }.Start();
    }

    /// <summary>The buffer for the next packet, or null when no client is ready for one.</summary>
    public ByteBuffer? BeginPacket() => Volatile.Read(ref _client)?.Begin();

    /// <summary>Send what was written into the buffer that BeginPacket gave.</summary>
    public void EndPacket(ByteBuffer buffer) => Volatile.Read(ref _client)?.End(buffer);

    public void Dispose()
    {
        _stopping = true;
        _transport.Dispose();
        Retire(Volatile.Read(ref _client), "the game ends");
    }

    private void AcceptAll()
    {
        while (!_stopping)
        {
            try
            {
                Adopt(_transport.Accept());
            }
            catch (Exception error) when (IsOfTheLink(error))
            {
                if (!_stopping)
                {
                    _log($"accepting at {_transport.Name} failed: {error.Message}");
                    Thread.Sleep(200);
                }
            }
        }
    }

    private void Adopt(IConnection connection)
    {
        Client client;
        Client? before;
        lock (_lock)
        {
            before = _client;
            client = new Client(this, connection, ++_clients);
            _hands.Adopt(client.Number);
            Volatile.Write(ref _client, client);
        }
        before?.Dispose();
        _log($"client {client.Number} connected");
        client.Start();
    }

    private void Retire(Client? client, string reason)
    {
        if (client is null)
        {
            return;
        }
        var current = false;
        lock (_lock)
        {
            if (ReferenceEquals(_client, client))
            {
                current = true;
                _hands.Adopt(0);
                Volatile.Write(ref _client, null);
            }
        }
        client.Dispose();
        if (current)
        {
            _log($"client {client.Number} gone: {reason}");
        }
    }

    private void Count(ActionDecoder decoder)
    {
        lock (_lock)
        {
            var (actions, oversized, malformed) = Counts;
            Counts = (actions + decoder.Actions, oversized + decoder.Oversized, malformed + decoder.Malformed);
        }
    }

    /// <summary>Faults that belong to a connection, not to this program.</summary>
    private static bool IsOfTheLink(Exception error) =>
        error is IOException or SocketException or ObjectDisposedException or OperationCanceledException
            or InvalidOperationException;

    /// <summary>One connection with a thread for each direction, and one buffer.</summary>
    private sealed class Client : IDisposable
    {
        private readonly LinkServer _server;
        private readonly IConnection _connection;
        private readonly ByteBuffer _buffer = new();
        private readonly SemaphoreSlim _filled = new(0);
        private volatile bool _idle = true, _ended;

        public Client(LinkServer server, IConnection connection, int number)
        {
            _server = server;
            _connection = connection;
            Number = number;
        }

        public int Number { get; }

        public void Start()
        {
            new Thread(ReadAll) { IsBackground = true, Name = "BonkLink read" }.Start();
            new Thread(WriteAll) { IsBackground = true, Name = "BonkLink write" }.Start();
        }

        public ByteBuffer? Begin()
        {
            if (!_idle || _ended)
            {
                return null;
            }
            _buffer.Clear();
            return _buffer;
        }

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
            var decoder = new ActionDecoder(a => _server._hands.Receive(Number, a, _server._nowS()));
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
            catch (Exception error) when (IsOfTheLink(error))
            {
                reason = error.Message;
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
            catch (Exception error) when (IsOfTheLink(error))
            {
                _server.Retire(this, error.Message);
            }
        }
    }
}
