// Stub: the members of 0Harmony (HarmonyX) that the plugins use.
using System;
using System.Collections.Generic;
using System.Reflection;

namespace HarmonyLib
{
    public class HarmonyMethod
    {
        public HarmonyMethod(MethodInfo? method) => throw null!;
    }

    public class Harmony
    {
        public Harmony(string id) => throw null!;

        public MethodInfo Patch(
            MethodBase original, HarmonyMethod? prefix = null, HarmonyMethod? postfix = null) => throw null!;

        public void UnpatchSelf() => throw null!;
    }

    public static class AccessTools
    {
        public static Type? TypeByName(string name) => throw null!;

        public static MethodInfo? Method(Type type, string name, Type[]? parameters = null, Type[]? generics = null) =>
            throw null!;

        public static PropertyInfo? Property(Type type, string name) => throw null!;

        public static List<MethodInfo> GetDeclaredMethods(Type type) => throw null!;
    }
}
