// Faults of a plugin: one of its parts is taken away, so that the thread that uses it throws.
using System;
using System.Collections.Generic;
using System.Reflection;

namespace FakeGame;

public static class Sabotage
{
    private static readonly List<(FieldInfo Field, object Owner, object? Before)> Broken = new();

    /// <summary>Set the field at the end of a path of private fields to null.</summary>
    public static void Break(object at, string path)
    {
        var names = path.Split('.');
        for (var i = 0; i < names.Length; i++)
        {
            var field = at.GetType().GetField(names[i], BindingFlags.NonPublic | BindingFlags.Instance)
                ?? throw new ArgumentException($"{at.GetType()} has no {names[i]}");
            if (i + 1 < names.Length)
            {
                at = field.GetValue(at)!;
                continue;
            }
            Broken.Add((field, at, field.GetValue(at)));
            field.SetValue(at, null);
        }
    }

    /// <summary>Put back all that was taken.</summary>
    public static void Mend()
    {
        Broken.ForEach(b => b.Field.SetValue(b.Owner, b.Before));
        Broken.Clear();
    }
}
