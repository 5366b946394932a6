// Stand-in for 0Harmony (HarmonyX): the members that the plugins use. Patches are kept, and the fake game calls them.
using System;
using System.Collections.Generic;
using System.Linq;
using System.Reflection;

[assembly: System.Runtime.CompilerServices.InternalsVisibleTo("fakegame")]

namespace HarmonyLib
{
    public class HarmonyMethod
    {
        public HarmonyMethod(MethodInfo? method) => Method = method ?? throw new ArgumentNullException(nameof(method));

        public MethodInfo Method { get; }
    }

    public class Harmony
    {
        private sealed record Patched(Harmony By, MethodBase On, HarmonyMethod? Before, HarmonyMethod? After);

        private static readonly List<Patched> All = new();

        /// <summary>What was patched so far, TYPE.NAME.</summary>
        internal static readonly List<string> Detoured = new();

        public Harmony(string id)
        {
        }

        public MethodInfo Patch(MethodBase original, HarmonyMethod? prefix = null, HarmonyMethod? postfix = null)
        {
            var code = Il2CppInterop.Common.Il2CppInteropUtils.CodeOf(original);
            var others = code == "folded" ? " and 533 others" : "";
            Detoured.Add($"{original.DeclaringType!.Name}.{original.Name}{others}");
            All.Add(new Patched(this, original, prefix, postfix));
            return (MethodInfo)original;
        }

        public void UnpatchSelf() => All.RemoveAll(p => p.By == this);

        /// <summary>Call a method of the fake game as a patched one: a prefix that says false skips it.</summary>
        public static void Call(Type type, string name, object? instance, Action body) =>
            Call(type, name, instance, Array.Empty<object?>(), _ => { body(); return null; });

        /// <summary>The same with arguments, which patches may change by name, and with a result.</summary>
        public static object? Call(
            Type type, string name, object? instance, object?[] arguments, Func<object?[], object?> body)
        {
            object? result = null;
            var mine = All.Where(p => p.On.DeclaringType == type && p.On.Name == name).ToList();
            var runs = true;
            foreach (var p in mine)
            {
                runs &= Run(p, p.Before?.Method, instance, arguments, ref result) is not false;
            }
            result = runs ? body(arguments) : result;
            mine.ForEach(p => Run(p, p.After?.Method, instance, arguments, ref result));
            return result;
        }

        private static object? Run(
            Patched patched, MethodInfo? patch, object? instance, object?[] arguments, ref object? result)
        {
            if (patch is null)
            {
                return null;
            }
            var names = Array.ConvertAll(patched.On.GetParameters(), p => p.Name);
            var taken = Array.ConvertAll(patch.GetParameters(), p => p.Name ?? "");
            var (answer, given) = (result, arguments);
            var values = Array.ConvertAll(taken, n => n switch
            {
                "__instance" => instance,
                "__result" => answer,
                _ => given[IndexOf(names, n)],
            });
            var said = patch.Invoke(null, values);
            for (var i = 0; i < taken.Length; i++)
            {
                if (taken[i] == "__result")
                {
                    result = values[i];
                }
                else if (taken[i] != "__instance")
                {
                    arguments[IndexOf(names, taken[i])] = values[i];
                }
            }
            return said;
        }

        /// <summary>The argument that a patch means: by its name, or by its place as __0, __1 and so on.</summary>
        private static int IndexOf(string?[] names, string name) =>
            name.StartsWith("__") ? int.Parse(name[2..]) : Array.IndexOf(names, name);
    }

    public static class AccessTools
    {
        private const BindingFlags Any =
            BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static;

        public static Type? TypeByName(string name) => AppDomain.CurrentDomain.GetAssemblies()
            .SelectMany(a => a.GetTypes()).FirstOrDefault(t => t.FullName == name || t.Name == name);

        public static MethodInfo? Method(Type type, string name, Type[]? parameters = null, Type[]? generics = null) =>
            type.GetMethod(name, Any);

        public static PropertyInfo? Property(Type type, string name) => type.GetProperty(name, Any);

        public static List<MethodInfo> GetDeclaredMethods(Type type) =>
            type.GetMethods(Any | BindingFlags.DeclaredOnly).ToList();
    }
}
