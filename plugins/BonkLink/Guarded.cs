// Where the plugin meets a game that may have changed: a section that fails is skipped and said once, a field that
// fails is read another way and said once. Lambdas, because a missing member is found when its method is compiled.
using System;
using System.Collections.Generic;
using System.Threading;

namespace BonkLink;

public static class Guarded
{
    private static readonly HashSet<string> Said = new();

    /// <summary>Where warnings go; set once at the start.</summary>
    public static Action<string> Warn { get; set; } = _ => { };

    /// <summary>Run a section of a frame; what it throws ends this section of this frame only.</summary>
    public static void Run(string section, Action body)
    {
        try
        {
            body();
        }
        catch (Exception error)
        {
            Once(section, $"{section} failed: {error.GetType().Name}: {error.Message}; skipped until it works");
        }
    }

    /// <summary>
    /// Start a thread of the plugin's own. What its body throws is said and ends the thread: unheard, it would end the
    /// game.
    /// </summary>
    public static Thread Start(string name, Action body)
    {
        void Work()
        {
            try
            {
                body();
            }
            catch (Exception error)
            {
                Warn($"the thread {name} ended: {error.GetType().Name}: {error.Message}");
            }
        }

        var thread = new Thread(Work) { IsBackground = true, Name = name };
        thread.Start();
        return thread;
    }

    /// <summary>Say something the first time only; from any thread.</summary>
    public static void Once(string key, string text)
    {
        bool isNew;
        lock (Said)
        {
            isNew = Said.Add(key);
        }
        if (isNew)
        {
            Warn(text);
        }
    }
}

/// <summary>A value of the game with the ways to get it, best first, and what stands for it when all fail.</summary>
public sealed class Field<T>
{
    private readonly string _name;
    private readonly Func<T>[] _ways;
    private readonly T _nothing;
    private int _way;

    public Field(string name, T nothing, params Func<T>[] ways)
    {
        (_name, _nothing, _ways) = (name, nothing, ways);
    }

    /// <summary>
    /// The value now. A way whose member is missing is never tried again; one that finds an object missing is.
    /// </summary>
    public T Read()
    {
        for (var i = _way; i < _ways.Length; i++)
        {
            try
            {
                return _ways[i]();
            }
            catch (Exception error) when (error is MissingMemberException or TypeLoadException)
            {
                _way = i + 1;
                var rest = _way < _ways.Length ? "; using the next way" : "; it stays empty";
                Guarded.Once(_name + i, $"{_name}: this game lacks a member ({error.Message}){rest}");
            }
            catch (Exception error)
            {
                Guarded.Once(_name + i, $"{_name}: not readable now ({error.GetType().Name}: {error.Message})");
            }
        }
        return _nothing;
    }
}
