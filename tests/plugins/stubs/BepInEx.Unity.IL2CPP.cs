// Stand-in for BepInEx.Unity.IL2CPP: the members that the plugins use.
using System;
using System.Collections;
using System.Collections.Generic;
using BepInEx.Configuration;
using BepInEx.Logging;
using Il2CppInterop.Runtime.InteropTypes;
using UnityEngine;

namespace BepInEx.Unity.IL2CPP
{
    public abstract class BasePlugin
    {
        /// <summary>Components that plugins added; the fake engine calls them.</summary>
        public static readonly List<Il2CppObjectBase> Components = new();

        public ManualLogSource Log { get; } = new();

        public ConfigFile Config { get; } = new();

        public abstract void Load();

        public virtual bool Unload() => false;

        public T AddComponent<T>() where T : Il2CppObjectBase
        {
            var component = (T)Activator.CreateInstance(typeof(T), new IntPtr(1))!;
            Components.Add(component);
            return component;
        }
    }
}

namespace BepInEx.Unity.IL2CPP.Utils
{
    public static class MonoBehaviourExtensions
    {
        public static readonly List<IEnumerator> Running = new();

        public static Coroutine StartCoroutine(this MonoBehaviour self, IEnumerator coroutine)
        {
            coroutine.MoveNext();
            Running.Add(coroutine);
            return new Coroutine();
        }
    }
}
