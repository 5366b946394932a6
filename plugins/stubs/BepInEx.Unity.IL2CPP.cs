// Stub: the members of BepInEx.Unity.IL2CPP that the plugins use.
using System.Collections;
using BepInEx.Configuration;
using BepInEx.Logging;
using Il2CppInterop.Runtime.InteropTypes;
using UnityEngine;

namespace BepInEx.Unity.IL2CPP
{
    public abstract class BasePlugin
    {
        public ManualLogSource Log => throw null!;

        public ConfigFile Config => throw null!;

        public abstract void Load();

        public virtual bool Unload() => throw null!;

        public T AddComponent<T>() where T : Il2CppObjectBase => throw null!;
    }
}

namespace BepInEx.Unity.IL2CPP.Utils
{
    public static class MonoBehaviourExtensions
    {
        public static Coroutine StartCoroutine(this MonoBehaviour self, IEnumerator coroutine) => throw null!;
    }
}
