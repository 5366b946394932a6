// Serves several clients: all get packets, Hands says whose actions count. Threads touch bytes only. A client that
// comes never ends another, unless there are too many; then the oldest that does not own the game goes. Nothing here
// can hold up the game: a packet is handed over only when the one before has left, and a client that takes nothing is
// not ready.
using System;
using System.IO;
using System.Linq;
using System.Net.Sockets;
using System.Threading;

namespace BonkLink;

public sealed class LinkServer : IDisposable
{
    public const int MostClients = 16;
    private readonly ITransport _transport;
    private readonly Hands _hands;
    private readonly Func<double> _nowS;
    private readonly Action<string> _log;
    private readonly object _lock = new();
    private LinkClient[] _present = Array.Empty<LinkClient>();
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

    /// <summary>The clients that are there now; a new array with each change.</summary>
    public LinkClient[] Present => Volatile.Read(ref _present);

    /// <summary>Actions, oversized and malformed ones, of all clients together.</summary>
    public (long Actions, long Oversized, long Malformed) Counts { get; private set; }

    public void Start()
    {
        _transport.Open();
        _log($"listening at {_transport.Name}");
        Guarded.Start("BonkLink accept", AcceptAll);
    }

    public void Dispose()
    {
        _stopping = true;
        _transport.Dispose();
        Array.ForEach(Present, client => Retire(client, "the game ends"));
    }

    private void AcceptAll()
    {
        while (!_stopping)
        {
            try
            {
                Adopt(_transport.Accept());
            }
            catch (Exception error)
            {
                if (!_stopping)
                {
                    _log($"accepting at {_transport.Name} failed: {Reason(error)}");
                    Thread.Sleep(200);
                }
            }
        }
    }

    private void Adopt(IConnection connection)
    {
        LinkClient client;
        LinkClient? surplus = null;
        lock (_lock)
        {
            client = new LinkClient(this, connection, ++_clients);
            if (_present.Length >= MostClients)
            {
                surplus = Array.Find(_present, c => c.Number != _hands.Owner);
            }
            Volatile.Write(ref _present, _present.Append(client).ToArray());
        }
        if (surplus is not null)
        {
            Retire(surplus, $"more than {MostClients} came, and it does not play");
        }
        _log($"client {client.Number} connected");
        client.Start();
    }

    internal void Retire(LinkClient client, string reason)
    {
        bool wasThere;
        lock (_lock)
        {
            wasThere = _present.Contains(client);
            if (wasThere)
            {
                _hands.Leave(client.Number);
                Volatile.Write(ref _present, _present.Where(c => c != client).ToArray());
            }
        }
        client.Dispose();
        if (wasThere)
        {
            _log($"client {client.Number} gone: {reason}");
        }
    }

    /// <summary>One action of a client, on its thread.</summary>
    internal void Receive(LinkClient client, in AgentAction action)
    {
        bool heard;
        int owner, before;
        lock (_lock)
        {
            if (!_present.Contains(client))
            {
                return;
            }
            before = _hands.Owner;
            heard = _hands.Receive(client.Number, action, _nowS());
            owner = _hands.Owner;
        }
        if (owner != before)
        {
            _log($"client {owner} plays");
        }
        if (!heard && !client.IsToldToWait)
        {
            client.IsToldToWait = true;
            _log($"client {client.Number} acts, but client {owner} plays: its actions count when that one leaves, or "
                + $"does nothing for {Hands.LapseS:0} s");
        }
    }

    internal void Count(ActionDecoder decoder)
    {
        lock (_lock)
        {
            var (actions, oversized, malformed) = Counts;
            Counts = (actions + decoder.Actions, oversized + decoder.Oversized, malformed + decoder.Malformed);
        }
    }

    /// <summary>What the log says of a fault: of a connection its message, of this program its type as well.</summary>
    internal static string Reason(Exception error) =>
        error is IOException or SocketException or ObjectDisposedException or OperationCanceledException
            or InvalidOperationException
            ? error.Message
            : $"{error.GetType().Name}: {error.Message}";
}
