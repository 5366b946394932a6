// Where clients come from: loopback TCP or a named pipe. Bytes only; blocking, for threads of their own.
using System;
using System.IO;
using System.IO.Pipes;
using System.Net;
using System.Net.Sockets;

namespace BonkLink;

/// <summary>One client's byte stream; Dispose ends a blocked Read or Write of another thread.</summary>
public interface IConnection : IDisposable
{
    int Read(byte[] into);

    void Write(byte[] bytes, int count);
}

/// <summary>Accepts clients, one after the other, while earlier ones may still be there.</summary>
public interface ITransport : IDisposable
{
    string Name { get; }

    void Open();

    IConnection Accept();
}

public sealed class TcpTransport : ITransport
{
    private readonly TcpListener _listener;

    public TcpTransport(int port)
    {
        _listener = new TcpListener(IPAddress.Loopback, port);
        Port = port;
    }

    public int Port { get; private set; }

    public string Name => $"127.0.0.1:{Port}";

    public void Open()
    {
        _listener.Start(4);
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
    }

    public IConnection Accept()
    {
        var socket = _listener.AcceptSocket();
        socket.NoDelay = true;
        socket.SendBufferSize = 1 << 16;
        return new SocketConnection(socket);
    }

    public void Dispose() => _listener.Stop();

    private sealed class SocketConnection : IConnection
    {
        private readonly Socket _socket;

        public SocketConnection(Socket socket)
        {
            _socket = socket;
        }

        public int Read(byte[] into) => _socket.Receive(into);

        public void Write(byte[] bytes, int count)
        {
            var sent = 0;
            while (sent < count)
            {
                sent += _socket.Send(bytes, sent, count - sent, SocketFlags.None);
            }
        }

        public void Dispose()
        {
            try
            {
                _socket.Shutdown(SocketShutdown.Both);
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException)
            {
                // The peer or another thread was faster; there is nothing left to shut down.
            }
            _socket.Dispose();
        }
    }
}

/// <summary>A named pipe, opened for overlapped work: a blocked Read must not hold up a Write.</summary>
public sealed class PipeTransport : ITransport
{
    private readonly string _pipe;
    private volatile NamedPipeServerStream? _waiting;
    private volatile bool _closed;

    public PipeTransport(string pipe)
    {
        _pipe = pipe;
    }

    public string Name => $"pipe {_pipe}";

    public void Open() => _waiting = New();

    public IConnection Accept()
    {
        var stream = _waiting ?? New();
        _waiting = stream;
        stream.WaitForConnection();
        _waiting = _closed ? null : New();
        return new PipeConnection(stream);
    }

    public void Dispose()
    {
        _closed = true;
        _waiting?.Dispose();
    }

    private NamedPipeServerStream New() => new(
        _pipe, PipeDirection.InOut, NamedPipeServerStream.MaxAllowedServerInstances, PipeTransmissionMode.Byte,
        PipeOptions.Asynchronous | PipeOptions.CurrentUserOnly, 1 << 16, 1 << 18);

    private sealed class PipeConnection : IConnection
    {
        private readonly NamedPipeServerStream _stream;

        public PipeConnection(NamedPipeServerStream stream)
        {
            _stream = stream;
        }

        public int Read(byte[] into) => _stream.ReadAsync(into, 0, into.Length).GetAwaiter().GetResult();

        public void Write(byte[] bytes, int count) => _stream.WriteAsync(bytes, 0, count).GetAwaiter().GetResult();

        public void Dispose() => _stream.Dispose();
    }
}
