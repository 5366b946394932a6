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
    public record ConfigDefinition(string Section, string Key);

    public abstract class ConfigEntryBase
    {
        protected ConfigEntryBase(ConfigDefinition definition) => Definition = definition;

        public ConfigDefinition Definition { get; }

        internal abstract string Text { get; }

        /// <summary>As the real one: what cannot be read leaves the value as it is.</summary>
        public abstract void SetSerializedValue(string value);
    }

    public class ConfigEntry<T> : ConfigEntryBase
    {
        public ConfigEntry(ConfigDefinition definition, T value) : base(definition) => Value = value;

        public T Value { get; private set; }

        internal override string Text => $"{Value}";

        public override void SetSerializedValue(string value)
        {
            try
            {
                Value = (T)Convert.ChangeType(value, typeof(T), System.Globalization.CultureInfo.InvariantCulture);
            }
            catch (Exception error) when (error is FormatException or OverflowException)
            {
            }
        }
    }

    public class ConfigFile
    {
        /// <summary>What the player wrote, by SECTION.KEY.</summary>
        public readonly Dictionary<string, string> Written = new();

        private readonly Dictionary<string, ConfigEntryBase> _entries = new();

        public string ConfigFilePath { get; set; } = "";

        public bool SaveOnConfigSet { get; set; } = true;

        public ConfigEntry<T> Bind<T>(string section, string key, T defaultValue, string description)
        {
            var entry = new ConfigEntry<T>(new ConfigDefinition(section, key), defaultValue);
            _entries.Add($"{section}.{key}", entry);
            if (Written.TryGetValue($"{section}.{key}", out var text))
            {
                entry.SetSerializedValue(text);
            }
            Save();
            return entry;
        }

        /// <summary>Read the file; keys that are not in it keep their values.</summary>
        public void Reload()
        {
            if (SaveOnConfigSet)
            {
                throw new InvalidOperationException("the file would be written while it is read");
            }
            var section = "";
            foreach (var line in System.IO.File.ReadAllLines(ConfigFilePath))
            {
                var parts = line.Split('=', 2);
                if (line.StartsWith('['))
                {
                    section = line.Trim('[', ']');
                }
                else if (parts.Length == 2 && _entries.TryGetValue($"{section}.{parts[0].Trim()}", out var entry))
                {
                    entry.SetSerializedValue(parts[1].Trim());
                }
            }
        }

        private void Save()
        {
            var lines = new List<string>();
            foreach (var (_, entry) in _entries)
            {
                lines.Add($"[{entry.Definition.Section}]");
                lines.Add($"{entry.Definition.Key} = {entry.Text}");
            }
            System.IO.File.WriteAllLines(ConfigFilePath, lines);
        }
    }
}
