// Stub: the members of BepInEx.Core that the plugins use.
using System;

namespace BepInEx
{
    [AttributeUsage(AttributeTargets.Class)]
    public class BepInPlugin : Attribute
    {
        public BepInPlugin(string GUID, string Name, string Version) => throw null!;
    }

    public static class Paths
    {
        public static string ConfigPath => throw null!;
    }
}

namespace BepInEx.Logging
{
    public class ManualLogSource
    {
        public void LogInfo(object data) => throw null!;

        public void LogWarning(object data) => throw null!;

        public void LogError(object data) => throw null!;
    }
}

namespace BepInEx.Configuration
{
    public class ConfigEntry<T>
    {
        public T Value => throw null!;
    }

    public class ConfigFile
    {
        public ConfigEntry<T> Bind<T>(string section, string key, T defaultValue, string description) => throw null!;
    }
}
