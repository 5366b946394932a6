// Stand-in for BepInEx.Core: the members that the plugins use.
using System;
using System.Collections.Generic;

namespace BepInEx
{
    [AttributeUsage(AttributeTargets.Class)]
    public class BepInPlugin : Attribute
    {
        public BepInPlugin(string GUID, string Name, string Version)
        {
        }
    }

    public static class Paths
    {
        public static string ConfigPath { get; set; } = "";
    }
}

namespace BepInEx.Logging
{
    public class ManualLogSource
    {
        public readonly List<string> Lines = new();

        public void LogInfo(object data) => Add("info", data);

        public void LogWarning(object data) => Add("warning", data);

        public void LogError(object data) => Add("error", data);

        private void Add(string level, object data)
        {
            lock (Lines)
            {
                Lines.Add($"{level}: {data}");
            }
        }
    }
}

namespace BepInEx.Configuration
{
    public class ConfigEntry<T>
    {
        public ConfigEntry(T value) => Value = value;

        public T Value { get; }
    }

    public class ConfigFile
    {
        /// <summary>What the player wrote, by SECTION.KEY.</summary>
        public readonly Dictionary<string, string> Written = new();

        public ConfigEntry<T> Bind<T>(string section, string key, T defaultValue, string description) =>
            new(Written.TryGetValue($"{section}.{key}", out var text)
                ? (T)Convert.ChangeType(text, typeof(T), System.Globalization.CultureInfo.InvariantCulture)
                : defaultValue);
    }
}
