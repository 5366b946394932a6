// Every change of the game's methods: planned first, compared, then made. The linker folds methods with equal code into
// one function, and a detour of it would change all of them. So a method is refused, by name, whose native code is that
// of a known empty method, or of another planned method, or is not known.
using System;
using System.Collections.Generic;
using System.Reflection;
using System.Runtime.InteropServices;
using HarmonyLib;
using Il2CppInterop.Common;

namespace BonkLink;

public sealed class Patches
{
    /// <summary>Methods without a body, as far as is known; all empty methods of the game have their code.</summary>
    private static readonly (string Type, string Method)[] Empty =
    {
        ("AlwaysUi", "OnApplicationFocus"), ("PlayerInput", "AbilityInput"),
    };

    private readonly Harmony _harmony;
    private readonly List<Planned> _planned = new();
    private readonly HashSet<string> _made = new();

    public Patches(string plugin)
    {
        _harmony = new Harmony(plugin);
    }

    private sealed record Planned(MethodInfo On, MethodInfo? Before, MethodInfo? After);

    /// <summary>Plan a patch of all overloads that fit; `without` says what is lost where there is none.</summary>
    public void Add(
        string type, string name, MethodInfo? before, MethodInfo? after, string without,
        Predicate<MethodInfo>? fits = null)
    {
        var count = _planned.Count;
        if (AccessTools.TypeByName(type) is { } owner)
        {
            foreach (var method in AccessTools.GetDeclaredMethods(owner))
            {
                if (method.Name == name && (fits is null || fits(method)))
                {
                    _planned.Add(new Planned(method, before, after));
                }
            }
        }
        if (_planned.Count == count)
        {
            Guarded.Once("patch " + type + name, $"patches: this game has no {type}.{name}; {without}");
        }
    }

    /// <summary>Make the planned patches whose code is their own; returns how many.</summary>
    public int Make()
    {
        var owners = new Dictionary<IntPtr, MethodInfo>();
        var empty = new Dictionary<IntPtr, string>();
        foreach (var (type, name) in Empty)
        {
            var owner = AccessTools.TypeByName(type);
            var method = owner is null ? null : AccessTools.GetDeclaredMethods(owner).Find(m => m.Name == name);
            if (method is not null && CodeOf(method) is var code && code != IntPtr.Zero)
            {
                empty[code] = $"{type}.{name}, which is empty";
            }
        }
        var shared = new HashSet<IntPtr>();
        foreach (var planned in _planned)
        {
            var code = CodeOf(planned.On);
            if (!owners.TryAdd(code, planned.On) && owners[code] != planned.On)
            {
                shared.Add(code);
            }
        }
        var made = 0;
        foreach (var planned in _planned)
        {
            var code = CodeOf(planned.On);
            var why = code == IntPtr.Zero ? "its native code is not known"
                : empty.TryGetValue(code, out var other) ? $"it shares its code with {other}"
                : shared.Contains(code) ? "it shares its code with another method that is patched"
                : null;
            var name = $"{planned.On.DeclaringType?.Name}.{planned.On.Name}";
            if (why is null)
            {
                // One that cannot be made must not cost the others.
                Guarded.Run($"patch of {name}", () =>
                {
                    _harmony.Patch(planned.On, Of(planned.Before), Of(planned.After));
                    made++;
                    _made.Add(name);
                });
                continue;
            }
            Guarded.Once($"patch {name}", $"patches: {name} is left as it is: {why}");
        }
        return made;
    }

    /// <summary>True where a method of this name was patched.</summary>
    public bool Has(string type, string name) => _made.Contains($"{type}.{name}");

    public void Undo() => _harmony.UnpatchSelf();

    /// <summary>A method of the patches' own; they are private and static.</summary>
    public static MethodInfo Own(Type type, string name) =>
        AccessTools.Method(type, name) ?? throw new MissingMethodException(type.Name, name);

    private static HarmonyMethod? Of(MethodInfo? method) => method is null ? null : new HarmonyMethod(method);

    /// <summary>The address of a method's native code, the first word of its description; else zero.</summary>
    private static IntPtr CodeOf(MethodBase method)
    {
        var field = Il2CppInteropUtils.GetIl2CppMethodInfoPointerFieldForGeneratedMethod(method);
        return field?.GetValue(null) is IntPtr about && about != IntPtr.Zero ? Marshal.ReadIntPtr(about) : IntPtr.Zero;
    }
}
